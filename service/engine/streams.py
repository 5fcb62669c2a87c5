"""Steps whose rewards come one by one, each scaled at once by a deviation that stands still.

Frameworks that score item by item cannot wait for the batch of a step, and only subtract a mean
from what they get. Within one step every reward is therefore divided by the same number: the
deviation of its task after the last step before it. The rewards are gathered, and folded like any
other step when the step is closed: by its caller, or by the first reward of a later step. What is
not prevented: an earlier step that is sent whole meanwhile moves the number for those that follow.
"""

import hashlib
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace

import orjson

from rewards.advantages.ema_grpo import scales_by_task
from rewards.advantages.rollouts import EmaState, Rollouts
from rewards.specs import Spec
from service.engine.advance import Batch, check_settings
from service.engine.advantages import Follower, reckon
from service.engine.past import last_line
from service.engine.run_state import RunSettings, RunState
from service.errors import StepConflict, UnknownRun
from service.state.offers import Offer
from service.state.records import Head, Write
from service.state.store import RunStore

ESTIMATOR = "ema_grpo"


@dataclass(frozen=True, slots=True)
class StreamedReward:
    """A reward of a step, known by `id`; None where there is no verdict."""

    id: str
    group: str
    task: str
    reward: float | None


@dataclass(frozen=True, slots=True, kw_only=True)
class StreamedStep:
    """The step that streamed rewards belong to."""

    run: str
    step: int
    spec: Spec

    @property
    def settings(self) -> RunSettings:
        """What the first step of a run pins."""
        return RunSettings.of(ESTIMATOR, self.spec)

    @property
    def terms(self) -> bytes:
        """What all rewards of the step must agree on."""
        return orjson.dumps({"streamed": True, "digest": self.spec.digest})


@dataclass(frozen=True, slots=True)
class StreamEngine:
    """Scales streamed rewards and folds the steps they belong to."""

    store: RunStore
    clock: Callable[[], float] = time.time
    followers: tuple[Follower, ...] = ()

    async def scale(
        self, step: StreamedStep, rewards: Sequence[StreamedReward]
    ) -> list[float | None]:
        """Gather rewards for a step and return each divided by its task's deviation.

        A task without a deviation yet is left as it is. The same id again counts once; another
        reward under it raises `StepConflict`. Rewards that come after their step was closed are
        scaled as those before, and folded no more.
        """
        _rollouts((one.group, one.task, one.reward) for one in rewards)
        entries = {
            one.id: orjson.dumps((one.group, one.task, one.reward))
            for one in rewards
            if one.reward is not None
        }
        scales = scales_by_task(await self._gather(step, entries), step.spec)
        return [
            None if one.reward is None else one.reward / scales.get(one.task, 1.0)
            for one in rewards
        ]

    async def close(self, step: StreamedStep) -> Head:
        """Fold what was gathered for a step, once; return where the run stands then.

        Raises `UnknownRun` where nothing was gathered for a run that has taken no step.
        """
        while True:
            head = await self._head(step)
            if head is not None and head.step >= step.step:
                return head
            there = await self.store.open_step(step.run, step.step)
            if not there.terms:
                if head is None:
                    raise UnknownRun(f"run {step.run!r} has taken no step and gathers none")
                return head
            if there.terms != step.terms:
                raise _other_terms(step, there.terms)
            taken = await reckon(_batch(step, there.entries), head, now=self.clock())
            write = Write(
                head=taken.head,
                expected=None if head is None else head.mark,
                record=taken.record,
                gathered=len(there.entries),
            )
            if await self.store.write(step.run, write):
                for follower in self.followers:
                    follower.moved(step.run, taken.head, taken.estimate)
                return taken.head

    async def _gather(self, step: StreamedStep, entries: Mapping[str, bytes]) -> EmaState:
        """Gather what is not late; return the moments that the step is scaled by."""
        await self._head(step)
        offer = Offer(step=step.step, terms=step.terms, entries=entries, alone=True)
        while True:
            gathered = await self.store.gather(step.run, offer)
            head = gathered.head
            if head is not None and head.step >= step.step:
                line = await last_line(self.store, step.run, step.step - 1)
                return line.after if line else {}
            if gathered.clashes:
                raise StepConflict(
                    f"step {step.step} of run {step.run!r} holds other rewards under the same ids:"
                    f" expected the same reward, group and task for {gathered.clashes[:5]}",
                    step=step.step,
                    ids=gathered.clashes,
                )
            if gathered.terms != step.terms:
                raise _other_terms(step, gathered.terms)
            earlier = [other for other in gathered.open_steps if other < step.step]
            if gathered.kept or not earlier:
                return {} if head is None else RunState.decode(head.document).tasks
            for other in earlier:
                await self.close(replace(step, step=other))

    async def _head(self, step: StreamedStep) -> Head | None:
        head = (await self.store.read(step.run, step.step, 0)).head
        check_settings(head, step.run, step.settings)
        return head


def _batch(step: StreamedStep, entries: Mapping[str, bytes]) -> Batch:
    rewards = dict(sorted(entries.items()))
    digest = hashlib.sha256(orjson.dumps([[id_, entry.decode()] for id_, entry in rewards.items()]))
    return Batch(
        run=step.run,
        step=step.step,
        estimator=ESTIMATOR,
        spec=step.spec,
        rollouts=_rollouts(map(orjson.loads, rewards.values())),
        inputs=f"sha256:{digest.hexdigest()}",
    )


def _rollouts(rewards: Iterable[tuple[str, str, float | None]]) -> Rollouts:
    rows = list(rewards)
    return Rollouts(
        [reward for _, _, reward in rows],
        [group for group, _, _ in rows],
        [task for _, task, _ in rows],
    )


def _other_terms(step: StreamedStep, terms: bytes) -> StepConflict:
    return StepConflict(
        f"step {step.step} of run {step.run!r} is gathered on other terms",
        expected=orjson.loads(terms),
        got=orjson.loads(step.terms),
    )
