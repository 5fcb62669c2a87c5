"""Room that several share, of which nobody takes so much that a newcomer finds none."""

from collections.abc import Iterator
from contextlib import contextmanager


class Full(Exception):
    """There is no room for so much of this owner's."""


class Room:
    """How much of one thing, such as bytes or items, is inside: in all, and of each owner.

    What an owner brings first comes in wherever it fits. More comes in while the owner then has
    no more inside than is left free: alone it has half of the room, with `n` others a share of
    one in `n + 2`, and as much stays free for the next. What is larger than the room comes in
    when nothing else is inside.

    >>> room = Room("seats", 12)
    >>> with room.held("a", 4):
    ...     room.fits("a", 2), room.fits("a", 3), room.fits("b", 8)
    (True, False, True)
    """

    def __init__(self, what: str, size: int) -> None:
        self.what = what
        self.size = size
        self.inside = 0
        self._by_owner: dict[str, int] = {}

    def fits(self, owner: str, amount: int) -> bool:
        """Whether so much of the owner's may come in now; nothing at all always may."""
        free = self.size - self.inside - amount
        has = self._by_owner.get(owner, 0)
        return not (amount and self.inside) or free >= (has and has + amount)

    @contextmanager
    def held(self, owner: str, amount: int) -> Iterator[None]:
        """Take so much, all or nothing, and give it back; raise `Full` where it does not fit."""
        if not self.fits(owner, amount):
            raise Full(f"{self.inside} of {self.size} {self.what} are inside")
        self._add(owner, amount)
        try:
            yield
        finally:
            self._add(owner, -amount)

    def _add(self, owner: str, amount: int) -> None:
        self.inside += amount
        has = self._by_owner.pop(owner, 0) + amount
        if has:
            self._by_owner[owner] = has
