"""An open loop: requests are sent when they are due, however late the answers to earlier ones are.

A closed loop waits for a slow service and so measures it less often than it is slow. Here the
times of sending are fixed beforehand, and every latency counts from the time it was due.
"""

import asyncio
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

import aiohttp

PATIENCE_S = 60.0


@dataclass(frozen=True, slots=True)
class Answer:
    """What came of one request: its latency from the instant it was due; status 0 for none."""

    due_s: float
    latency_s: float
    status: int
    retry_after: str | None = None
    body: bytes = b""


@dataclass(slots=True)
class Arrivals:
    """Sends what `body` makes of a number to `url`; `done` are the answers so far."""

    url: str
    body: Callable[[int], bytes]
    keep_bodies: bool = False
    sent: int = 0
    done: list[Answer] = field(default_factory=list)

    async def open_loop(self, *, per_s: float, seconds: float) -> Sequence[Answer]:
        """Send at a fixed rate; return every answer once the last has come."""
        async with self._session() as session, asyncio.TaskGroup() as group:
            begun = time.monotonic()
            for number in range(int(per_s * seconds)):
                due = begun + number / per_s
                await asyncio.sleep(max(0.0, due - time.monotonic()))
                group.create_task(self._send(session, due))
        return self.done

    async def closed_loop(self, *, callers: int, seconds: float) -> Sequence[Answer]:
        """Let some callers send one after the other for a while: how much there is to be had."""
        ends = time.monotonic() + seconds

        async def call(session: aiohttp.ClientSession) -> None:
            while (now := time.monotonic()) < ends:
                await self._send(session, now)

        async with self._session() as session:
            await asyncio.gather(*(call(session) for _ in range(callers)))
        return self.done

    def _session(self) -> aiohttp.ClientSession:
        return aiohttp.ClientSession(
            connector=aiohttp.TCPConnector(limit=0),
            timeout=aiohttp.ClientTimeout(total=PATIENCE_S),
            trust_env=False,
        )

    async def _send(self, session: aiohttp.ClientSession, due: float) -> None:
        body = self.body(self.sent)
        self.sent += 1
        try:
            async with session.post(self.url, data=body) as response:
                content = await response.read()
                self._note(due, response.status, response.headers.get("Retry-After"), content)
        except (aiohttp.ClientError, TimeoutError, OSError):
            self._note(due, 0)

    def _note(self, due: float, status: int, again: str | None = None, body: bytes = b"") -> None:
        kept = body if self.keep_bodies else b""
        self.done.append(Answer(due, time.monotonic() - due, status, again, kept))


def percentile(values: Sequence[float], share: float) -> float:
    """The value that `share` of all do not exceed, 0 of none.

    >>> percentile([3.0, 1.0, 2.0], 0.99)
    3.0
    """
    ordered = sorted(values)
    return ordered[min(len(ordered) - 1, int(share * len(ordered)))] if ordered else 0.0
