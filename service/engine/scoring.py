"""A batch of rollouts in, a verdict for each out: every item in the lane where it belongs."""

import asyncio
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractContextManager, nullcontext

from rewards.ports import Health, SimilarityModel
from rewards.sample import Sample
from rewards.score import Verdict
from rewards.specs import Spec
from service.engine.cache import VerdictCache
from service.engine.isolation.pool import IsolatedPool
from service.engine.masks import MaskLane
from service.engine.plan import Plan
from service.engine.similarity import judge_likenesses

# The event loop is given back at least this often while a large batch is scored.
SLICE_S = 0.004
CACHED_CHARACTERS = 16 << 20

Timer = Callable[[str], AbstractContextManager[None]]


class ScoringEngine:
    """Scores batches; one engine serves all requests of a process.

    `stages` times what the lanes do. `similarity` judges open-ended answers where the spec lets a
    model; without one the rule does. `masks` judges mask items, started and closed by whoever
    opened it; without it they are unscored.
    """

    def __init__(
        self,
        pool: IsolatedPool,
        *,
        stages: Timer = lambda _: nullcontext(),
        similarity: SimilarityModel | None = None,
        masks: MaskLane | None = None,
        cached_characters: int = CACHED_CHARACTERS,
    ) -> None:
        self._pool = pool
        self._stages = stages
        self._similarity = similarity
        self._masks = masks
        self.cache = VerdictCache(cached_characters)

    async def start(self) -> None:
        """Start workers and models; returns when every lane can score."""
        await self._pool.start()
        if self._similarity is not None:
            await self._similarity.start()

    async def close(self) -> None:
        """Stop every lane."""
        if self._similarity is not None:
            await self._similarity.close()
        await self._pool.close()

    def health(self) -> Mapping[str, Health]:
        """Say of each lane whether it can score now, and why not."""
        ready = self._pool.is_ready()
        lanes = {"rules": Health(ready, None if ready else "the isolated workers are not running")}
        if self._similarity is not None:
            lanes["similarity"] = self._similarity.health()
        if self._masks is not None:
            lanes["masks"] = self._masks.health()
        return lanes

    async def score(
        self,
        samples: Sequence[Sample],
        spec: Spec,
        *,
        owner: str = "",
        deadline: float | None = None,
    ) -> list[Verdict]:
        """Return one verdict for each sample, in order.

        `owner` is whose share of the mask model this takes.
        `deadline` is an instant of `time.monotonic()`: what is not judged by then is unscored
        and retryable, and what was judged is returned. Raises nothing for the sake of an item.
        """
        plan = Plan(spec, self._similarity is not None, self._masks is not None, self.cache)
        await _take_all(plan, samples, deadline)
        await asyncio.gather(
            self._judge_cases(plan, deadline),
            self._compare(plan, deadline),
            self._judge_masks(plan, owner, deadline),
        )
        return plan.verdicts

    async def _judge_cases(self, plan: Plan, deadline: float | None) -> None:
        if not plan.cases:
            return
        cases = list(plan.cases)
        with self._stages("isolated"):
            outcomes = await self._pool.judge(cases, plan.spec, deadline=deadline)
        for case, outcome in zip(cases, outcomes, strict=True):
            plan.settle_case(case, outcome)

    async def _compare(self, plan: Plan, deadline: float | None) -> None:
        if self._similarity is None or not plan.likenesses:
            return
        with self._stages("similarity"):
            outcomes = await judge_likenesses(
                list(plan.likenesses.values()), self._similarity, plan.spec, deadline=deadline
            )
        for place, outcome in zip(plan.likenesses, outcomes, strict=True):
            plan.settle(place, outcome)

    async def _judge_masks(self, plan: Plan, owner: str, deadline: float | None) -> None:
        if self._masks is None or not plan.looks:
            return
        looks = list(plan.looks.values())
        with self._stages("masks"):
            outcomes = await self._masks.judge(looks, plan.spec, owner=owner, deadline=deadline)
        for place, outcome in zip(plan.looks, outcomes, strict=True):
            plan.settle(place, outcome)


async def _take_all(plan: Plan, samples: Sequence[Sample], deadline: float | None) -> None:
    resume = time.monotonic() + SLICE_S
    for sample in samples:
        now = time.monotonic()
        if now >= resume:
            await asyncio.sleep(0)
            now = time.monotonic()
            resume = now + SLICE_S
        if deadline is not None and now >= deadline:
            plan.skip()
        else:
            plan.take(sample)
