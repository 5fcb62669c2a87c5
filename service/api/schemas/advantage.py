"""The records of `POST /advantage`."""

from typing import Annotated, Self

from pydantic import Field, FiniteFloat, model_validator

from rewards.advantages.registry import ESTIMATORS
from service.api.schemas.base import WHOLE, Label, Name, Step, WireModel
from service.api.schemas.reward import LONGEST_DEADLINE_MS

MOST_ROLLOUTS = 1_000_000
MOST_SHARDS = 4096

Rewards = Annotated[list[FiniteFloat | None], Field(max_length=MOST_ROLLOUTS, fail_fast=True)]
Labels = Annotated[list[Label], Field(max_length=MOST_ROLLOUTS, fail_fast=True)]


class FilterBounds(WireModel):
    """Keep the groups whose mean accuracy lies strictly between the bounds."""

    low: FiniteFloat = 0.01
    """Groups that hardly any rollout solves are dropped."""
    high: FiniteFloat = 0.99
    """Groups that almost every rollout solves are dropped."""

    @model_validator(mode="after")
    def _in_order(self) -> Self:
        if self.low >= self.high:
            raise ValueError(f"expected low < high, got {self.low} and {self.high}")
        return self


class ShardPlace(WireModel):
    """Which part of the step's global batch this is."""

    index: Annotated[int, Field(ge=0), WHOLE]
    """Place among the shards, from 0."""
    count: Annotated[int, Field(ge=1, le=MOST_SHARDS), WHOLE]
    """How many shards the step has."""

    @model_validator(mode="after")
    def _within(self) -> Self:
        if self.index >= self.count:
            raise ValueError(f"expected index < count, got {self.index} of {self.count}")
        return self


class AdvantageRequest(WireModel):
    """The rewards of one step, or of one shard of it.

    `rewards`, `groups`, `tasks` and `accuracy` stand side by side, one value for each rollout.
    """

    run: Name
    """The training job."""
    step: Step
    """Its step. A step is taken once; the same body again gets the same answer."""
    estimator: Annotated[
        str, Field(json_schema_extra={"enum": [estimator.name for estimator in ESTIMATORS]})
    ] = "ema_grpo"
    """How rewards become advantages; fixed by the run's first step."""
    spec: Label | None = None
    """A name of `GET /specs`; by default `default_spec` of `GET /info`."""
    rewards: Rewards
    """Null for a rollout that was not scored."""
    groups: Labels
    """The prompt that each rollout answers, by any name."""
    tasks: Labels | None = None
    """The task whose moving average each rollout belongs to; only `ema_grpo` reads it."""
    accuracy: Rewards | None = None
    """What the filter reads."""
    filter: FilterBounds | None = None
    """Drop groups that teach nothing, before the moving averages move (DAPO)."""
    shard: ShardPlace | None = None
    """For a step whose rollouts are spread over ranks that each send their part."""
    deadline_ms: Annotated[int, Field(ge=1, le=LONGEST_DEADLINE_MS), WHOLE] | None = None
    """How long a shard waits for the others."""


class TaskMoments(WireModel):
    """A task's moving average, after the step."""

    mean: float
    """Of the rewards."""
    std: float
    """The deviation that rewards are divided by, not below the spec's floor."""
    updates: int
    """How many steps are in it."""


class AdvantageAnswer(WireModel):
    """Advantages in the order of the rewards."""

    advantages: list[float | None]
    """Null where the reward is; 0 in a group that was dropped or has one scored rollout."""
    scaled_rewards: list[float | None]
    """Rewards divided as the advantages were, for trainers that only subtract the group's mean."""
    kept: list[bool]
    """False for a rollout that takes no part: not scored, or in a group that was dropped."""
    tasks: dict[str, TaskMoments]
    """Every task that the run has seen; empty for estimators without a moving average."""
    state_version: int
    """How many steps the run has taken."""
    replayed: bool
    """Whether this very answer was given before."""
