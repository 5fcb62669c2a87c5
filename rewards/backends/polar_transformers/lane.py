"""One worker thread that keeps one batch at a time on the device."""

import math
import threading
import time
from collections import defaultdict, deque
from collections.abc import Callable, Hashable, Mapping, Sequence
from concurrent.futures import Future
from dataclasses import dataclass
from typing import Protocol

from rewards.backends.polar_transformers.jobs import Answer, Job, Waiter
from rewards.backends.polar_transformers.packing import Passage
from rewards.errors import ModelFailed
from rewards.ports import Health

PROBE_EVERY_S = 1.0
CLOSED = "the model was shut down"


class PassageScorer(Protocol):
    """What the lane drives; called from its thread alone."""

    def score(self, passages: Sequence[Passage], *, share: bool) -> list[float]:
        """Raw scores in order; raises `MemoryError` when the batch is too large."""
        ...

    def free_memory(self) -> None:
        """Give back what the allocator holds."""
        ...


@dataclass(frozen=True, slots=True)
class LaneOptions:
    """How much goes into a batch, and how long one may take before the lane counts as stuck."""

    batch_tokens: int
    share_prefixes: bool = True
    stuck_after_s: float = 120.0
    clock: Callable[[], float] = time.monotonic


class Lane:
    """Gathers passages from all callers into batches by their tokens, the oldest first.

    Rollouts of one prompt go together, whoever sent them; a passage asked for twice is computed
    once. What was cancelled or is past its deadline is dropped before it costs anything. A batch
    that exhausts the memory is halved, and later ones are kept to that size.
    """

    def __init__(self, scorer: PassageScorer, probe: Passage, options: LaneOptions) -> None:
        self._scorer = scorer
        self._probe = probe
        self._options = options
        self._batch_tokens = options.batch_tokens
        self._changed = threading.Condition()
        self._jobs: dict[Passage, Job] = {}
        self._waiting: dict[Hashable, deque[Job]] = {}
        self._totals: dict[str, float] = defaultdict(float)
        self._busy_since: float | None = None
        self._trouble: str | None = None
        self._closed = False
        self._thread = threading.Thread(target=self._run, name="polar", daemon=True)
        self._thread.start()

    def submit(
        self, passages: Sequence[Passage], deadline: float | None = None
    ) -> list[Future[Answer]]:
        """Queue passages, all at once so that they can go together.

        Each future ends in an answer, unless it is cancelled first.
        """
        with self._changed:
            futures = [self._queue(p, math.inf if deadline is None else deadline) for p in passages]
            self._changed.notify()
        return futures

    def health(self) -> Health:
        """Not ready when closed, when the last batch failed, or when one does not end."""
        busy_since = self._busy_since
        busy_s = 0.0 if busy_since is None else self._options.clock() - busy_since
        if self._closed:
            return Health(ready=False, reason=CLOSED)
        if busy_s > self._options.stuck_after_s:
            return Health(ready=False, reason=f"one batch has been computing for {busy_s:.0f} s")
        if self._trouble:
            return Health(ready=False, reason=self._trouble)
        return Health(ready=True)

    def usage(self) -> Mapping[str, float]:
        """Totals since the start, and what waits now.

        `tokens` are those of the inputs, `computed_tokens` those left after sharing prefixes.
        """
        with self._changed:
            waiting = [job for jobs in self._waiting.values() for job in jobs]
            return dict(self._totals) | {
                "waiting_items": len(waiting),
                "waiting_tokens": sum(len(job.passage.tokens) for job in waiting),
                "batch_tokens_limit": self._batch_tokens,
            }

    def close(self) -> None:
        """Finish the batch on the device and answer everything else as not scored."""
        with self._changed:
            self._closed = True
            self._changed.notify()
        self._thread.join()

    def _queue(self, passage: Passage, deadline: float) -> Future[Answer]:
        future: Future[Answer] = Future()
        if self._closed:
            future.set_result(ModelFailed(CLOSED))
            return future
        job = self._jobs.get(passage)
        if job is None:
            job = self._jobs[passage] = Job(passage, self._options.clock())
            self._waiting.setdefault(passage.family, deque()).append(job)
        job.add(Waiter(future, deadline))
        return future

    def _run(self) -> None:
        while True:
            with self._changed:
                pause_s = PROBE_EVERY_S if self._trouble else None
                self._changed.wait_for(lambda: self._waiting or self._closed, pause_s)
                if self._closed:
                    break
                batch = self._take()
                self._busy_since = self._options.clock()
            if batch:
                self._serve(batch)
            elif self._trouble:
                self._compute([self._probe])
            self._busy_since = None
        self._abandon()

    def _take(self) -> list[Job]:
        now = self._options.clock()
        batch: list[Job] = []
        room = self._batch_tokens
        for family in list(self._waiting):
            jobs, company = self._waiting[family], False
            while jobs:
                cost = self._cost(jobs[0].passage, company=company)
                if batch and cost > room:
                    return batch
                job = jobs.popleft()
                if not job.claim(now):
                    del self._jobs[job.passage]
                    self._totals["dropped_items"] += 1
                    continue
                batch.append(job)
                self._totals["queue_seconds"] += now - job.since
                self._totals["tokens"] += len(job.passage.tokens)
                self._totals["computed_tokens"] += cost
                room, company = room - cost, True
            del self._waiting[family]
        return batch

    def _cost(self, passage: Passage, *, company: bool) -> int:
        shared = passage.known if company and self._options.share_prefixes else 0
        return len(passage.tokens) - shared

    def _serve(self, batch: Sequence[Job]) -> None:
        started = self._options.clock()
        answers = self._compute([job.passage for job in batch])
        with self._changed:
            self._totals["compute_seconds"] += self._options.clock() - started
            self._totals["batches"] += 1
            self._totals["items"] += len(batch)
            for job in batch:
                del self._jobs[job.passage]
        for job, answer in zip(batch, answers, strict=True):
            job.answer(answer)

    def _compute(self, passages: Sequence[Passage]) -> Sequence[Answer]:
        try:
            scores = self._scorer.score(passages, share=self._options.share_prefixes)
        except MemoryError:
            scores = None
        except Exception as error:  # noqa: BLE001 - the thread must outlive a failing batch
            self._trouble = f"the last batch failed: {type(error).__name__}: {error}"
            return [ModelFailed(self._trouble)] * len(passages)
        if scores is None:
            # Outside the handler, so that nothing of the failed pass is still referred to.
            return self._halve(passages)
        self._trouble = None
        return [_judge(score) for score in scores]

    def _halve(self, passages: Sequence[Passage]) -> Sequence[Answer]:
        self._scorer.free_memory()
        self._totals["out_of_memory"] += 1
        middle = len(passages) // 2
        if not middle:
            size = len(passages[0].tokens)
            return [ModelFailed(f"the device ran out of memory on one input of {size} tokens")]
        self._batch_tokens = max(
            1, min(self._batch_tokens, sum(len(p.tokens) for p in passages)) // 2
        )
        return [*self._compute(passages[:middle]), *self._compute(passages[middle:])]

    def _abandon(self) -> None:
        with self._changed:
            left = [job for jobs in self._waiting.values() for job in jobs]
            self._waiting.clear()
            self._jobs.clear()
        for job in left:
            if job.claim(-math.inf):
                job.answer(ModelFailed(CLOSED))


def _judge(score: float) -> Answer:
    return score if math.isfinite(score) else ModelFailed(f"the model's score is {score}")
