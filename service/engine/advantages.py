"""Advantages, once and only once: each step of a run is folded by exactly one of many callers.

Every attempt reads where the run stands, reckons from there, and writes on the condition that the
run still stands there. Whoever loses a race reads again, and finds either the answer or a reason.
"""

import asyncio
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Protocol

import orjson

from rewards.advantages.step import Estimate
from service.engine.advance import Advanced, Batch, advance, check_order, check_settings
from service.engine.steps import GlobalBatch, Shard, StepAnswer, StepRequest
from service.errors import ShardsMissing, StepConflict
from service.state.offers import Offer
from service.state.records import Head, Reading, StoredAnswer, Write
from service.state.store import RunStore

LARGE_BATCH = 4096
"""From this many rollouts on a step is reckoned beside the event loop."""

FIRST_PAUSE_S, LONGEST_PAUSE_S = 0.002, 0.05


class Follower(Protocol):
    """Whoever wants to know what becomes of runs; must not wait."""

    def moved(self, run: str, head: Head, estimate: Estimate | None = None) -> None:
        """A run stands at `head` now; a step that brought it there has an estimate."""
        ...

    def removed(self, run: str) -> None:
        """A run is no more."""
        ...


@dataclass(frozen=True, slots=True)
class AdvantageEngine:
    """Takes the steps of runs in a store.

    A shard waits `shards_deadline_s` for the others of its step, less if its request says so.
    """

    store: RunStore
    shards_deadline_s: float = 20.0
    clock: Callable[[], float] = time.time
    followers: tuple[Follower, ...] = ()

    async def take(self, request: StepRequest) -> StepAnswer:
        """Take a step, or answer as it was answered when it was taken.

        Raises `StepConflict`, `StepOutOfOrder` or `RunSettingsDiffer` where the run says no,
        `ShardsMissing` at the deadline, and `StateUnavailable` where the store is away; then the
        same request may be sent again.
        """
        reading = await self._read(request)
        if reading.answer is not None:
            return StepAnswer.again(reading.answer.body)
        if request.shard is not None:
            return await self._take_shard(request, request.shard)
        return await self._take_whole(request, reading)

    async def _read(self, request: StepRequest) -> Reading:
        run, step = request.run, request.step
        reading = await self.store.read(run, step, request.part)
        if reading.answer is None:
            check_settings(reading.head, run, request.settings)
            check_order(reading.head, run, step)
        elif reading.answer.fingerprint != request.fingerprint:
            raise StepConflict(
                f"step {step} of run {run!r} was taken with another body: expected the same"
                " rewards, groups, tasks, accuracy, filter, estimator, spec and shard",
                step=step,
            )
        return reading

    async def _take_whole(self, request: StepRequest, reading: Reading) -> StepAnswer:
        while reading.answer is None:
            if reading.gathered:
                raise StepConflict(
                    f"step {request.step} of run {request.run!r} is being gathered in parts:"
                    " expected another part of it, got a whole step",
                    step=request.step,
                    gathered=reading.gathered,
                )
            answers = await self._fold(request, GlobalBatch.of(request), reading.head, gathered=0)
            if answers:
                return StepAnswer(answers[0].body)
            reading = await self._read(request)
        return StepAnswer.again(reading.answer.body)

    async def _take_shard(self, request: StepRequest, shard: Shard) -> StepAnswer:
        patience_s = min(request.deadline_s or self.shards_deadline_s, self.shards_deadline_s)
        ends = time.monotonic() + patience_s
        await self._offer(request, shard)
        pause_s = FIRST_PAUSE_S
        while True:
            reading = await self._read(request)
            if reading.answer is not None:
                return StepAnswer(reading.answer.body)
            if reading.gathered == shard.count:
                await self._fold_shards(request, shard, reading.head)
                continue
            left_s = ends - time.monotonic()
            if left_s <= 0:
                raise await self._missing(request, shard)
            await asyncio.sleep(min(pause_s, left_s))
            pause_s = min(2 * pause_s, LONGEST_PAUSE_S)

    async def _offer(self, request: StepRequest, shard: Shard) -> None:
        run, step = request.run, request.step
        entries = {str(shard.index): request.body}
        gathered = await self.store.gather(
            run, Offer(step=step, terms=request.terms, entries=entries)
        )
        if gathered.clashes:
            raise StepConflict(
                f"shard {shard.index} of step {step} of run {run!r} was sent with another body",
                step=step,
                shard=shard.index,
            )
        if gathered.terms != request.terms:
            raise StepConflict(
                f"the parts of step {step} of run {run!r} disagree: expected the first one's terms",
                expected=orjson.loads(gathered.terms),
                got=orjson.loads(request.terms),
            )

    async def _fold_shards(self, request: StepRequest, shard: Shard, head: Head | None) -> None:
        there = await self.store.open_step(request.run, request.step)
        if len(there.entries) == shard.count:
            bodies = [there.entries[str(index)] for index in range(shard.count)]
            await self._fold(request, GlobalBatch.join(bodies), head, gathered=shard.count)

    async def _fold(
        self, request: StepRequest, whole: GlobalBatch, head: Head | None, *, gathered: int
    ) -> Sequence[StoredAnswer]:
        """Fold a step's whole batch; return the answers, or none if the run has moved on."""
        batch = Batch(
            run=request.run,
            step=request.step,
            estimator=request.estimator,
            spec=request.spec,
            rollouts=whole.rollouts,
            inputs=whole.inputs,
            accuracy_filter=request.accuracy_filter,
        )
        taken = await reckon(batch, head, now=self.clock())
        answers = whole.answers(
            taken.estimate, floor=request.spec.std_floor, version=taken.head.mark.version
        )
        write = Write(
            head=taken.head,
            expected=None if head is None else head.mark,
            record=taken.record,
            answers=answers,
            gathered=gathered,
        )
        if not await self.store.write(request.run, write):
            return ()
        for follower in self.followers:
            follower.moved(request.run, taken.head, taken.estimate)
        return answers

    async def _missing(self, request: StepRequest, shard: Shard) -> ShardsMissing:
        there = await self.store.open_step(request.run, request.step)
        missing = [index for index in range(shard.count) if str(index) not in there.entries]
        return ShardsMissing(
            f"step {request.step} of run {request.run!r} has {shard.count - len(missing)} of"
            f" {shard.count} shards: expected the others before the deadline; those that came are"
            " kept, send this one again to go on waiting",
            step=request.step,
            missing=missing,
        )


async def reckon(batch: Batch, head: Head | None, *, now: float) -> Advanced:
    """Take a step as `advance` does, beside the event loop where that may take long."""
    if len(batch.rollouts.rewards) < LARGE_BATCH:
        return advance(batch, head, now=now)
    return await asyncio.to_thread(advance, batch, head, now=now)
