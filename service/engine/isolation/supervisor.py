"""One worker's life: it judges a chunk at a time and is killed when a case takes too long."""

import asyncio
import time
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass
from typing import Any

from rewards.errors import BadTruth, OutOfTime, ScorerFailed, WorkerDied
from rewards.score import Score
from service.engine.isolation.cases import Batch, Case, IsolationLimits, Job, Outcome, Turns
from service.engine.isolation.process import Template, Worker

ATTEMPTS = 2
# The system counts processor time in ticks of 10 ms.
NEARLY_ALL = 0.9
HARMLESS_ANSWER = "0"
RETRY_AFTER_S = 0.5


@dataclass(frozen=True, slots=True)
class Lost:
    """Why a worker had to go, and what that says of its case; None says nothing yet."""

    why: str
    verdict: Outcome | None = None


class Supervisor:
    """Feeds one worker and replaces it whenever it is lost.

    `on_kill` hears why: `timeout`, `starved` (the machine was too busy) or `crash`.
    """

    def __init__(
        self,
        template: Template,
        turns: Turns,
        limits: IsolationLimits,
        on_kill: Callable[[str], None],
    ) -> None:
        self._template = template
        self._turns = turns
        self._limits = limits
        self._on_kill = on_kill
        self._worker: Worker | None = None

    async def run(self) -> None:
        """Judge what is queued until cancelled."""
        try:
            while True:
                batch, jobs = await self._turns.next()
                try:
                    await self._judge(batch, jobs)
                except (OSError, EOFError):
                    # No worker could be had just now: the jobs wait for the next attempt.
                    self._turns.put_back(batch, [job for job in jobs if not job.outcome.done()])
                    self._on_kill("unavailable")
                    await asyncio.sleep(RETRY_AFTER_S)
        finally:
            if self._worker is not None:
                self._worker.kill()

    async def _judge(self, batch: Batch, jobs: list[Job]) -> None:
        worker = self._worker = self._worker or await self._template.fork()
        worker.send({"spec": batch.spec})
        for job in jobs:
            worker.send(asdict(job.case))
        for position, job in enumerate(jobs):
            job.attempts += 1
            outcome = await self._await_outcome(worker)
            if isinstance(outcome, Lost):
                self._discard(worker, outcome.why)
                self._turns.put_back(batch, jobs[position + 1 :])
                await self._bury(batch, job, outcome)
                return
            job.settle(outcome)

    async def _bury(self, batch: Batch, job: Job, lost: Lost) -> None:
        """Settle the case that cost a worker, or let it try once more."""
        if lost.verdict is None and job.attempts < ATTEMPTS:
            self._turns.put_back(batch, [job])
        elif isinstance(lost.verdict, Score) and await self._truth_is_poison(batch, job.case):
            job.settle(BadTruth(f"{self._cost()} to compare even 0 with the ground truth"))
        else:
            job.settle(lost.verdict or WorkerDied("the worker that judged this item died"))

    async def _truth_is_poison(self, batch: Batch, case: Case) -> bool:
        harmless = Case(case.kind, case.media, HARMLESS_ANSWER, case.truth)
        worker = self._worker = await self._template.fork()
        worker.send({"spec": batch.spec})
        worker.send(asdict(harmless))
        outcome = await self._await_outcome(worker)
        if not isinstance(outcome, Lost):
            return False
        self._discard(worker, outcome.why)
        return outcome.verdict is not None and not isinstance(outcome.verdict, OutOfTime)

    def _discard(self, worker: Worker, why: str) -> None:
        worker.kill()
        self._worker = None
        self._on_kill(why)

    async def _await_outcome(self, worker: Worker) -> Outcome | Lost:
        started, cpu_before, truth_read = time.monotonic(), worker.cpu_s, False
        while True:
            try:
                reply = await worker.receive(self._limits.cpu_s)
            except EOFError:
                return Lost("crash")
            except TimeoutError:
                lost = self._overrun(worker, started, cpu_before, truth_read=truth_read)
                if lost is not None:
                    return lost
                continue
            worker.cpu_s = reply["cpu_s"]
            if "truth" not in reply:
                return _read_outcome(reply, truth_read=truth_read)
            truth_read = True

    def _overrun(
        self, worker: Worker, started: float, cpu_before: float, *, truth_read: bool
    ) -> Lost | None:
        """Say whose fault it is that no reply came, or None to wait a little longer."""
        limit, now = self._limits.cpu_s, worker.cpu_seconds()
        used = limit if now is None else now - cpu_before
        if used >= NEARLY_ALL * limit and truth_read:
            return Lost("timeout", Score.miss(f"{self._cost()} to evaluate the answer"))
        if used >= NEARLY_ALL * limit:
            return Lost("timeout", BadTruth(f"{self._cost()} to read the ground truth"))
        if time.monotonic() - started >= self._limits.patience * limit:
            return Lost("starved", OutOfTime("the machine was too busy to judge this item"))
        return None

    def _cost(self) -> str:
        return f"it took more than {self._limits.cpu_s:g} s of processor time"


def _read_outcome(reply: Mapping[str, Any], *, truth_read: bool) -> Outcome:
    if "score" in reply:
        return Score(**reply["score"])
    if "memory" in reply and not truth_read:
        return BadTruth("it took more memory than is allowed to read the ground truth")
    if "memory" in reply:
        return Score.miss("it took more memory than is allowed to evaluate the answer")
    if "defect" in reply:
        return ScorerFailed(reply["defect"])
    return BadTruth(reply["bad_truth"])
