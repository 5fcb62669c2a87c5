"""Who may come in, and whose turn it is: bounded by bytes and items, fair between runs."""

import asyncio
import heapq
import math
import time
from collections.abc import AsyncIterator, Callable, Iterator, Mapping
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass, field

from rewards.errors import OutOfTime
from service.errors import Overloaded

LONGEST_RETRY_S = 60
# The drain rate is that of about the last ten seconds.
MEMORY_S = 10.0


@dataclass(frozen=True, slots=True)
class Capacity:
    """How much may be inside at once.

    `body_bytes` bounds the bodies being read, parsed and scored, `waiting_items` what waits for
    a turn, and `active_items` what is scored at the same time (one request may exceed it alone).
    """

    body_bytes: int = 256 << 20
    waiting_items: int = 65_536
    active_items: int = 32_768


@dataclass(order=True, slots=True)
class _Ticket:
    finish: float
    number: int
    start: float = field(compare=False)
    run: str = field(compare=False)
    items: int = field(compare=False)
    turn: asyncio.Future[None] = field(compare=False)


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

    Every run has an equal share of the items scored, however many requests it sends; what a run
    does not use goes to the others. Requests without a run share one.
    """

    def __init__(self, capacity: Capacity, clock: Callable[[], float] = time.monotonic) -> None:
        self.capacity = capacity
        self.held_bytes = 0
        self.waiting_items = 0
        self.active_items = 0
        self._drained = DrainRate(clock)
        self._queue: list[_Ticket] = []
        self._tickets = 0
        self._now = 0.0
        self._finishes: dict[str, float] = {}

    def usage(self) -> Mapping[str, float]:
        """What is inside now, and how much may be."""
        return {
            "held_bytes": self.held_bytes,
            "held_bytes_limit": self.capacity.body_bytes,
            "waiting_items": self.waiting_items,
            "waiting_items_limit": self.capacity.waiting_items,
            "active_items": self.active_items,
            "active_items_limit": self.capacity.active_items,
        }

    @contextmanager
    def hold(self, size: int) -> Iterator[None]:
        """Reserve room for a body of `size` bytes before any of it is read."""
        if self.held_bytes + size > self.capacity.body_bytes:
            raise self._overloaded("bytes", self.held_bytes, self.capacity.body_bytes)
        self.held_bytes += size
        try:
            yield
        finally:
            self.held_bytes -= size

    @asynccontextmanager
    async def enter(
        self, run: str | None, items: int, *, deadline: float | None = None
    ) -> AsyncIterator[None]:
        """Wait for the turn of `items` of `run`, and hold it; cancelling gives it back.

        Raises `Overloaded` at once when too much waits already, and `OutOfTime` when the turn
        has not come at `deadline`, an instant of `time.monotonic()`.
        """
        if self.waiting_items + items > self.capacity.waiting_items and self.waiting_items:
            raise self._overloaded("items", self.waiting_items, self.capacity.waiting_items)
        try:
            left = None if deadline is None else deadline - time.monotonic()
            async with asyncio.timeout(left):
                await self._wait(run or "", items)
        except TimeoutError:
            raise OutOfTime("the deadline passed before this request had its turn") from None
        try:
            yield
        finally:
            self.active_items -= items
            self._drained.count(items)
            self._grant()

    async def _wait(self, run: str, items: int) -> None:
        start = max(self._now, self._finishes.get(run, 0.0))
        finish = self._finishes[run] = start + items
        self._tickets += 1
        turn = asyncio.get_running_loop().create_future()
        ticket = _Ticket(finish, self._tickets, start, run, items, turn)
        heapq.heappush(self._queue, ticket)
        self.waiting_items += items
        self._grant()
        try:
            await turn
        except asyncio.CancelledError:
            self._give_up(ticket)
            raise

    def _grant(self) -> None:
        while self._queue:
            ticket = self._queue[0]
            if ticket.turn.cancelled():
                heapq.heappop(self._queue)
                continue
            if self.active_items and self.active_items + ticket.items > self.capacity.active_items:
                return
            heapq.heappop(self._queue)
            self.waiting_items -= ticket.items
            self.active_items += ticket.items
            self._now = max(self._now, ticket.start)
            ticket.turn.set_result(None)
        self._finishes = {run: at for run, at in self._finishes.items() if at > self._now}

    def _give_up(self, ticket: _Ticket) -> None:
        if ticket.turn.cancelled():
            self.waiting_items -= ticket.items
            return
        # The turn was granted while its task was being cancelled.
        self.active_items -= ticket.items
        self._grant()

    def _overloaded(self, what: str, inside: int, allowed: int) -> Overloaded:
        return Overloaded(
            f"the service is full: {inside} of {allowed} {what} are inside",
            retry_after_s=self._drained.seconds_for(self.waiting_items + self.active_items),
        )
