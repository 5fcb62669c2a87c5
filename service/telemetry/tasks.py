"""Which tasks have a label of their own; callers name tasks as they like, metrics do not."""

from collections.abc import Collection

from rewards.registry import KINDS, default_task

OTHER = "other"


class TaskLabels:
    """The tasks of the kinds and those that an operator added; every other one is `other`.

    >>> labels = TaskLabels(["geometry"])
    >>> labels.of("math"), labels.of("geometry"), labels.of("anything")
    ('math', 'geometry', 'other')
    """

    def __init__(self, added: Collection[str] = ()) -> None:
        self.known = frozenset(map(default_task, KINDS)) | frozenset(added)

    def of(self, task: str) -> str:
        """Return the label of a task."""
        return task if task in self.known else OTHER
