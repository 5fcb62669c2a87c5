"""Queues in simulated time: servers that take calls in their order, and jobs that go round.

Held to the formulas for M/M/c and for a finite source by test_queues.py.
"""

import heapq
from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import count


class Station:
    """Some servers, each of which serves one call at a time, in the order of their arrival.

    A call goes to the server with the fewest calls, as a balancer's leastconn sends it, and to
    several such in turn; with `pooled`, to the one that is free first, as if all had one queue.
    Calls have to be admitted in the order of time.
    """

    def __init__(self, servers: int, *, pooled: bool = False) -> None:
        self._inside: list[deque[float]] = [deque() for _ in range(servers)]
        self._free = [0.0] * servers
        self._pooled = pooled
        self._turn = 0
        self.busy_s = 0.0
        self.longest = 0

    def admit(self, now: float, service_s: float) -> float:
        """Take in a call; return when it will have been served."""
        server = self._choose(now)
        ends = self._free[server] = max(now, self._free[server]) + service_s
        self._inside[server].append(ends)
        self.busy_s += service_s
        self.longest = max(self.longest, len(self._inside[server]))
        return ends

    def _choose(self, now: float) -> int:
        for inside in self._inside:
            while inside and inside[0] <= now:
                inside.popleft()
        calls = self._free if self._pooled else list(map(len, self._inside))
        self._turn = (self._turn + 1) % len(calls)
        fewest = min(calls)
        later = calls[self._turn :]
        return self._turn + later.index(fewest) if fewest in later else calls.index(fewest)


@dataclass(frozen=True, slots=True)
class Stage:
    """A part of a job's step: so many calls at once to a station; over when all are answered."""

    station: Station
    calls: int
    service: Callable[[], float]

    def admit(self, now: float) -> float:
        """Make the calls; return when the last of them will have been served."""
        return max(self.station.admit(now, self.service()) for _ in range(self.calls))


@dataclass(frozen=True, slots=True)
class Waited:
    """A step that began then and was in hand so much later."""

    began_s: float
    wait_s: float


def go_round(
    starts: Sequence[float], until_s: float, stages: Sequence[Stage], pause: Callable[[], float]
) -> list[Waited]:
    """Let each job take steps through all stages, with a pause after each; in order of their ends.

    No step begins after `until_s`.

    >>> stage = Stage(Station(1), 2, lambda: 1.0)
    >>> go_round([0.0, 1.0], 5.0, [stage], lambda: 9.0)
    [Waited(began_s=0.0, wait_s=2.0), Waited(began_s=1.0, wait_s=3.0)]
    """
    order = count()
    events = [(start, next(order), 0, start) for start in starts if start <= until_s]
    heapq.heapify(events)
    waited = []
    while events:
        now, _, stage, began = heapq.heappop(events)
        if stage < len(stages):
            heapq.heappush(events, (stages[stage].admit(now), next(order), stage + 1, began))
            continue
        waited.append(Waited(began, now - began))
        if (begins := now + pause()) <= until_s:
            heapq.heappush(events, (begins, next(order), 0, begins))
    return waited
