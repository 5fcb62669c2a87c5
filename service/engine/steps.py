"""A step as it is asked for, and the answer to it."""

import hashlib
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from itertools import accumulate, chain, pairwise
from typing import Any, Self

import orjson

from rewards.advantages.filters import AccuracyFilter
from rewards.advantages.registry import find_estimator
from rewards.advantages.rollouts import Rollouts
from rewards.advantages.step import Estimate
from rewards.specs import Spec
from service.engine.run_state import RunSettings, describe_tasks
from service.state.records import StoredAnswer


@dataclass(frozen=True, slots=True)
class Shard:
    """Part `index` of the `count` parts of a step's global batch."""

    index: int
    count: int


@dataclass(frozen=True, kw_only=True)
class StepRequest:
    """The rewards of one step, or of one shard of it.

    Raises `UnknownEstimator`, or `BadRollouts` where the filter misses an accuracy.
    """

    run: str
    step: int
    spec: Spec
    rollouts: Rollouts
    estimator: str = "ema_grpo"
    accuracy_filter: AccuracyFilter | None = None
    shard: Shard | None = None
    deadline_s: float | None = None

    def __post_init__(self) -> None:
        # Refused here, a shard is not kept to spoil the step of the others.
        find_estimator(self.estimator)
        if self.accuracy_filter is not None:
            self.accuracy_filter.accuracies(self.rollouts)

    @property
    def settings(self) -> RunSettings:
        """What the first step of a run pins."""
        return RunSettings.of(self.estimator, self.spec)

    @property
    def part(self) -> int:
        """Which of the step's answers is ours."""
        return self.shard.index if self.shard else 0

    @cached_property
    def body(self) -> bytes:
        """All that decides the answer, but for the run's state and the spec's constants."""
        rollouts = self.rollouts
        return orjson.dumps(
            {
                "estimator": self.estimator,
                "spec": self.spec.name,
                "filter": self._bounds,
                "shard": self.shard,
                "rewards": rollouts.rewards,
                "groups": rollouts.groups,
                "tasks": rollouts.tasks,
                "accuracy": rollouts.accuracy,
            }
        )

    @cached_property
    def fingerprint(self) -> str:
        """The SHA-256 of the body: two requests are the same if this is."""
        return hashlib.sha256(self.body).hexdigest()

    @property
    def terms(self) -> bytes:
        """What all shards of a step must agree on."""
        return orjson.dumps(
            {
                "estimator": self.estimator,
                "digest": self.spec.digest,
                "filter": self._bounds,
                "shards": self.shard and self.shard.count,
            }
        )

    @property
    def _bounds(self) -> list[float] | None:
        bounds = self.accuracy_filter
        return None if bounds is None else [bounds.low, bounds.high]


@dataclass(frozen=True, slots=True)
class GlobalBatch:
    """The shards of a step put together, in their order."""

    rollouts: Rollouts
    sizes: Sequence[int]
    fingerprints: Sequence[str]

    @classmethod
    def of(cls, request: StepRequest) -> Self:
        """A request that is not sharded is the whole batch."""
        return cls(request.rollouts, [len(request.rollouts.rewards)], [request.fingerprint])

    @classmethod
    def join(cls, bodies: Iterable[bytes]) -> Self:
        """Join the bodies of requests, which must stand in the order of their shards."""
        bodies = list(bodies)
        parts: list[Mapping[str, Any]] = list(map(orjson.loads, bodies))

        def column(name: str) -> list[Any]:
            return list(chain.from_iterable(part[name] for part in parts))

        judged = all(part["accuracy"] is not None for part in parts)
        return cls(
            Rollouts(
                column("rewards"),
                column("groups"),
                column("tasks"),
                column("accuracy") if judged else None,
            ),
            [len(part["rewards"]) for part in parts],
            [hashlib.sha256(body).hexdigest() for body in bodies],
        )

    @property
    def inputs(self) -> str:
        """One digest of everything that was sent."""
        return "sha256:" + hashlib.sha256("".join(self.fingerprints).encode()).hexdigest()

    def answers(self, estimate: Estimate, *, floor: float, version: int) -> list[StoredAnswer]:
        """Write the answer to each shard: its own slice, and the state of every task."""
        tasks = describe_tasks(estimate.state, floor=floor)
        bounds = pairwise(accumulate(self.sizes, initial=0))
        return [
            StoredAnswer(fingerprint, _write_answer(estimate, slice(*bound), tasks, version))
            for fingerprint, bound in zip(self.fingerprints, bounds, strict=True)
        ]


def _write_answer(estimate: Estimate, part: slice, tasks: Mapping[str, Any], version: int) -> bytes:
    return orjson.dumps(
        {
            "advantages": estimate.advantages[part],
            "scaled_rewards": estimate.scaled_rewards[part],
            "kept": estimate.kept[part],
            "tasks": tasks,
            "state_version": version,
            "replayed": False,
        }
    )


@dataclass(frozen=True, slots=True)
class StepAnswer:
    """The bytes of an answer, and whether they had been given before."""

    body: bytes
    replayed: bool = False

    @classmethod
    def again(cls, body: bytes) -> Self:
        """Give stored bytes another time: only the flag at their end says so.

        >>> StepAnswer.again(b'{"state_version":5,"replayed":false}').body
        b'{"state_version":5,"replayed":true}'
        """
        return cls(body.removesuffix(b"false}") + b"true}", replayed=True)
