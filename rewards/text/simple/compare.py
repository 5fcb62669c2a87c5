"""Whether two texts show the same formula, where that can be told without sympy."""

from rewards.text.simple.formulas import same_root, surely_differ
from rewards.text.simple.numbers import ExactNumber
from rewards.text.simple.sets import read_set


def compare(told: str, true: str) -> bool | None:
    r"""Return whether math-verify takes `told` for `true`, None where only it can tell.

    >>> compare("$1.5$", r"\frac{3}{2}"), compare("$x+1$", "$x+2$"), compare("$x+x$", "$2x$")
    (True, False, None)
    """
    first, second = ExactNumber.read(told), ExactNumber.read(true)
    if first is not None and second is not None:
        return first.equals(second)
    if surely_differ(told, true):
        return False
    if same_root(told, true):
        return True
    told_set, true_set = read_set(told), read_set(true)
    return None if told_set is None or true_set is None else told_set == true_set
