"""Who may come in, and whose turn it is: bounded in all that it costs, fair between owners."""

import math
import time
from collections.abc import AsyncIterator, Callable, Iterator, Mapping
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass

from service.engine.room import Full, Room
from service.engine.turns import Turns
from service.errors import Overloaded

LONGEST_RETRY_S = 60
# The drain rate is that of about the last ten seconds.
MEMORY_S = 10.0


@dataclass(frozen=True, slots=True)
class Capacity:
    """How much may be inside at once.

    `body_bytes` bounds the bodies being read, parsed and scored, `waiting_items` what waits for
    a turn, and `active_items` what is scored at the same time (one request may exceed it alone).
    `tokens` and `pixels` bound what waits for a model or is with it, `active_pixels` what of the
    latter is in hand; None where there is no such model.
    """

    body_bytes: int = 256 << 20
    waiting_items: int = 65_536
    active_items: int = 32_768
    tokens: int | None = None
    pixels: int | None = None
    active_pixels: int | None = None


@dataclass(slots=True)
class DrainRate:
    """Items finished per second, lately; 0 before anything was."""

    clock: Callable[[], float] = time.monotonic
    rate: float = 0.0
    last: float | None = None

    def count(self, items: int) -> None:
        """Note that `items` were finished just now."""
        now = self.clock()
        elapsed = max(1e-3, now - self.last) if self.last is not None else 1.0
        keep = math.exp(-elapsed / MEMORY_S)
        self.rate = keep * self.rate + (1.0 - keep) * items / elapsed
        self.last = now

    def seconds_for(self, items: int) -> int:
        """Return in how many whole seconds `items` will have drained, from 1 to 60."""
        if self.rate <= 0.0:
            return 1
        return min(LONGEST_RETRY_S, max(1, math.ceil(items / self.rate)))


class Admission:
    """Lets requests in whole or not at all, and gives turns by start-time fair queueing.

    An owner is a run, or the caller where a request names none. No owner fills the room where
    requests wait, however many it sends, and each has an equal share of the items scored.
    """

    def __init__(self, capacity: Capacity, clock: Callable[[], float] = time.monotonic) -> None:
        self._bodies = Room("bytes", capacity.body_bytes)
        self._waiting = Room("items", capacity.waiting_items)
        self._tokens = Room("tokens", capacity.tokens or 0)
        self._pixels = Room("pixels", capacity.pixels or 0)
        self._turns = Turns(capacity.active_items)
        self._drained = DrainRate(clock)

    def usage(self) -> Mapping[str, float]:
        """What is inside now, and how much may be."""
        return {
            "held_bytes": self._bodies.inside,
            "held_bytes_limit": self._bodies.size,
            "waiting_items": self._waiting.inside,
            "waiting_items_limit": self._waiting.size,
            "active_items": self._turns.active,
            "active_items_limit": self._turns.most,
            "tokens": self._tokens.inside,
            "tokens_limit": self._tokens.size,
            "pixels": self._pixels.inside,
            "pixels_limit": self._pixels.size,
        }

    @contextmanager
    def hold(self, caller: str, size: int) -> Iterator[None]:
        """Reserve room for a body of `size` bytes before any of it is read."""
        with self._admitting(self._bodies, caller, size):
            yield

    @asynccontextmanager
    async def enter(
        self,
        owner: str,
        items: int,
        *,
        tokens: int = 0,
        pixels: int = 0,
        deadline: float | None = None,
    ) -> AsyncIterator[None]:
        """Wait for the turn of `items` of `owner`, and hold it; cancelling gives it back.

        `tokens` and `pixels` are what they ask of models. Raises `Overloaded` at once when too
        much is inside already, and `OutOfTime` when the turn has not come at `deadline`, an
        instant of `time.monotonic()`.
        """
        with (
            self._admitting(self._tokens, owner, tokens),
            self._admitting(self._pixels, owner, pixels),
        ):
            with self._admitting(self._waiting, owner, items):
                await self._turns.begin(owner, items, deadline=deadline)
            try:
                yield
            finally:
                self._drained.count(items)
                self._turns.end(items)

    @contextmanager
    def _admitting(self, room: Room, owner: str, amount: int) -> Iterator[None]:
        try:
            with room.held(owner, amount):
                yield
        except Full as full:
            inside = self._waiting.inside + self._turns.active
            raise Overloaded(
                f"the service is full: {full}",
                retry_after_s=self._drained.seconds_for(inside),
                full_of=room.what,
            ) from None
