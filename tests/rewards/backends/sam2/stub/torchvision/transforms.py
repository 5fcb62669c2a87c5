"""The names that `sam2.utils.transforms` imports; the predictors' preprocessing is not ours."""


class Normalize:
    """Never called."""


class Resize:
    """Never called."""


class ToTensor:
    """Never called."""
