"""What waits to be judged in isolation, and in whose turn."""

import asyncio
from collections import deque
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from rewards.errors import RewardError
from rewards.score import Score

Outcome = Score | RewardError


@dataclass(frozen=True, slots=True)
class IsolationLimits:
    """How many workers there are, and what one case may use.

    A case that used up its processor seconds has itself to blame; one that did not get them
    within `patience` times as many seconds of a busy machine is given up as unscored.
    """

    workers: int = 2
    cpu_s: float = 5.0
    patience: float = 4.0
    memory_bytes: int = 2 << 30


@dataclass(frozen=True, slots=True)
class Case:
    """Texts to be judged by a kind that may hang, or texts so long that any kind may."""

    kind: str
    media: str | None
    answer: str
    truth: str


@dataclass(slots=True)
class Job:
    """A case, the future that waits for its outcome, and how many workers have tried it."""

    case: Case
    outcome: asyncio.Future[Outcome]
    attempts: int = 0

    def settle(self, outcome: Outcome) -> None:
        """Give the outcome to whoever still waits for it."""
        if not self.outcome.done():
            self.outcome.set_result(outcome)


@dataclass(slots=True, eq=False)
class Batch:
    """The jobs of one request; `chunk` of them go to a worker at a time."""

    spec: Mapping[str, Any]
    jobs: deque[Job]
    chunk: int

    def take(self) -> list[Job]:
        """Remove and return the next chunk, leaving out what nobody waits for any more."""
        taken: list[Job] = []
        while self.jobs and len(taken) < self.chunk:
            job = self.jobs.popleft()
            if not job.outcome.done():
                taken.append(job)
        return taken


@dataclass(slots=True)
class Turns:
    """Batches take turns, so that one full of poison delays the others by a chunk at most."""

    batches: deque[Batch] = field(default_factory=deque)
    changed: asyncio.Event = field(default_factory=asyncio.Event)

    @property
    def waiting(self) -> int:
        """How many cases no worker has taken yet."""
        return sum(len(batch.jobs) for batch in self.batches)

    def add(self, batch: Batch) -> None:
        """Queue a batch behind the others."""
        self.batches.append(batch)
        self.changed.set()

    def put_back(self, batch: Batch, jobs: list[Job]) -> None:
        """Return jobs to the front of their batch."""
        batch.jobs.extendleft(reversed(jobs))
        if jobs and batch not in self.batches:
            self.add(batch)

    async def next(self) -> tuple[Batch, list[Job]]:
        """Wait for a chunk of the batch whose turn it is."""
        while True:
            while self.batches:
                batch = self.batches.popleft()
                jobs = batch.take()
                if batch.jobs:
                    self.batches.append(batch)
                if jobs:
                    return batch, jobs
            self.changed.clear()
            await self.changed.wait()
