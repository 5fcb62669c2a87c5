"""Whose turn it is: start-time fair queueing between owners."""

import asyncio
import heapq
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

from rewards.errors import OutOfTime


@dataclass(order=True, slots=True)
class _Ticket:
    finish: float
    number: int
    start: float = field(compare=False)
    owner: str = field(compare=False)
    amount: int = field(compare=False)
    turn: asyncio.Future[None] = field(compare=False)


class Turns:
    """Lets so much be in hand at the same time, and one thing alone that is larger.

    Every owner has an equal share of what is done, in however many pieces it comes; what an owner
    does not use goes to the others.
    """

    def __init__(self, most: int) -> None:
        self.most = most
        self.active = 0
        self.waiting = 0
        self._queue: list[_Ticket] = []
        self._tickets = 0
        self._now = 0.0
        self._finishes: dict[str, float] = {}

    @asynccontextmanager
    async def turn(
        self, owner: str, amount: int, *, deadline: float | None = None
    ) -> AsyncIterator[None]:
        """Wait for a turn, and hold it; cancelling gives it back.

        Raises `OutOfTime` when it has not come at `deadline`, an instant of `time.monotonic()`.
        """
        await self.begin(owner, amount, deadline=deadline)
        try:
            yield
        finally:
            self.end(amount)

    async def begin(self, owner: str, amount: int, *, deadline: float | None = None) -> None:
        """Wait for a turn as `turn` does; whoever gets it must `end` it."""
        left_s = None if deadline is None else deadline - time.monotonic()
        try:
            async with asyncio.timeout(left_s):
                await self._wait(owner, amount)
        except TimeoutError:
            raise OutOfTime("the deadline passed before this had its turn") from None

    def end(self, amount: int) -> None:
        """The turn of so much is over."""
        self.active -= amount
        self._grant()

    async def _wait(self, owner: str, amount: int) -> None:
        start = max(self._now, self._finishes.get(owner, 0.0))
        finish = self._finishes[owner] = start + amount
        self._tickets += 1
        turn = asyncio.get_running_loop().create_future()
        ticket = _Ticket(finish, self._tickets, start, owner, amount, turn)
        heapq.heappush(self._queue, ticket)
        self.waiting += amount
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
            if self.active and self.active + ticket.amount > self.most:
                return
            heapq.heappop(self._queue)
            self.waiting -= ticket.amount
            self.active += ticket.amount
            self._now = max(self._now, ticket.start)
            ticket.turn.set_result(None)
        self._finishes = {owner: at for owner, at in self._finishes.items() if at > self._now}

    def _give_up(self, ticket: _Ticket) -> None:
        if ticket.turn.cancelled():
            self.waiting -= ticket.amount
            if ticket.owner in self._finishes:
                self._finishes[ticket.owner] -= ticket.amount
            return
        # The turn was granted while its task was being cancelled.
        self.end(ticket.amount)
