"""Judging what may hang, beside everything else: several workers, hard limits, fair turns."""

import asyncio
import time
from collections import deque
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict

from rewards.errors import OutOfTime
from rewards.specs import Spec
from service.engine.isolation.cases import Batch, Case, IsolationLimits, Job, Outcome, Turns
from service.engine.isolation.process import Template
from service.engine.isolation.supervisor import Supervisor

CHUNKS_PER_WORKER = 4
LARGEST_CHUNK = 8


def _ignore(reason: str) -> None:
    """Count nothing."""


class IsolatedPool:
    """Workers that are killed and replaced when a case takes too long."""

    def __init__(self, limits: IsolationLimits, on_kill: Callable[[str], None] = _ignore) -> None:
        self._limits = limits
        self._on_kill = on_kill
        self._template = Template(limits.memory_bytes)
        self._turns = Turns()
        self._tasks: list[asyncio.Task[None]] = []

    async def start(self) -> None:
        """Start the workers; returns when they can judge."""
        await self._template.start()
        for _ in range(self._limits.workers):
            supervisor = Supervisor(self._template, self._turns, self._limits, self._on_kill)
            self._tasks.append(asyncio.create_task(supervisor.run()))

    async def close(self) -> None:
        """Kill the workers; what still waits is left to its deadline."""
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        self._tasks = []
        await self._template.close()

    def is_ready(self) -> bool:
        """Tell whether every worker's supervisor is alive."""
        return bool(self._tasks) and not any(task.done() for task in self._tasks)

    def usage(self) -> Mapping[str, float]:
        """How many workers there are, and how many cases wait for one."""
        return {"workers": len(self._tasks), "waiting_cases": self._turns.waiting}

    async def judge(
        self, cases: Sequence[Case], spec: Spec, *, deadline: float | None = None
    ) -> list[Outcome]:
        """Return one outcome for each case, in order.

        `deadline` is an instant of `time.monotonic()`; what is not judged by then is
        `OutOfTime`, and is not begun any more.
        """
        if not cases:
            return []
        loop = asyncio.get_running_loop()
        jobs = [Job(case, loop.create_future()) for case in cases]
        share = -(-len(jobs) // (self._limits.workers * CHUNKS_PER_WORKER))
        self._turns.add(Batch(asdict(spec), deque(jobs), min(share, LARGEST_CHUNK)))
        timeout = None if deadline is None else max(0.0, deadline - time.monotonic())
        try:
            await asyncio.wait([job.outcome for job in jobs], timeout=timeout)
        finally:
            for job in jobs:
                job.settle(OutOfTime("the deadline passed before this item was judged"))
        return [job.outcome.result() for job in jobs]
