"""What `POST /advantage` is sent and what comes back."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Self

from trainer_client.errors import BadCall
from trainer_client.wire.text import decode, encode, maybe_number, number, reading


@dataclass(frozen=True, slots=True)
class Filter:
    """Keep only groups whose mean accuracy lies strictly between `low` and `high`."""

    low: float = 0.01
    high: float = 0.99


@dataclass(frozen=True, slots=True)
class Shard:
    """Which part of the step's global batch this is: number `index` of `count`."""

    index: int
    count: int


@dataclass(frozen=True, slots=True, kw_only=True)
class AdvantageRequest:
    """The rewards of one step, or of one shard of it; `None` marks an unscored rollout.

    `rewards`, `groups`, `tasks` and `accuracy` stand side by side, one value for each rollout.
    """

    run: str
    step: int
    rewards: Sequence[float | None]
    groups: Sequence[str]
    tasks: Sequence[str]
    accuracy: Sequence[float | None] | None = None
    estimator: str = "ema_grpo"
    spec: str | None = None
    filter: Filter | None = None
    shard: Shard | None = None

    def encode(self) -> bytes:
        """Write the body; raise `BadCall` for lists of unequal length or non-finite numbers."""
        body: dict[str, Any] = {
            "run": self.run,
            "step": int(self.step),
            "estimator": self.estimator,
            "spec": self.spec,
            "rewards": _numbers(self.rewards, "rewards"),
            "groups": list(map(str, self.groups)),
            "tasks": list(map(str, self.tasks)),
            "accuracy": None if self.accuracy is None else _numbers(self.accuracy, "accuracy"),
            "filter": self.filter and {"low": self.filter.low, "high": self.filter.high},
            "shard": self.shard and {"index": self.shard.index, "count": self.shard.count},
        }
        for name in ("groups", "tasks", "accuracy"):
            if body[name] is not None and len(body[name]) != len(body["rewards"]):
                raise BadCall(
                    f"expected as many {name} as rewards ({len(body['rewards'])}); "
                    f"got {len(body[name])}"
                )
        present = {name: value for name, value in body.items() if value is not None}
        return encode(present, f"step {self.step}")


def _numbers(values: Sequence[float | None], name: str) -> list[float | None]:
    # float() also reads the scalars of numpy and torch, which json does not.
    numbers = [None if value is None else float(value) for value in values]
    for position, value in enumerate(numbers):
        if value is not None and not math.isfinite(value):
            raise BadCall(f"{name}[{position}] is {value}: give None for what was not scored")
    return numbers


@dataclass(frozen=True, slots=True)
class TaskMoments:
    """The moving statistics of one task after this step."""

    mean: float
    std: float
    updates: int


@dataclass(frozen=True, slots=True)
class AdvantageResponse:
    """Advantages in the order of the rewards; `None` for a rollout that was not scored.

    `scaled_rewards` are for trainers that only subtract the group's mean. `kept` says which
    rollouts passed the filter. `replayed` says that this step had been taken before.
    """

    advantages: tuple[float | None, ...]
    scaled_rewards: tuple[float | None, ...]
    kept: tuple[bool, ...]
    tasks: Mapping[str, TaskMoments]
    state_version: int
    replayed: bool

    @classmethod
    def read(cls, body: bytes, *, count: int) -> Self:
        """Read the answer for `count` rewards; raise `BadAnswer` if it is none."""
        document = decode(body)
        with reading("the answer of POST /advantage"):
            read = cls(
                tuple(map(maybe_number, document["advantages"])),
                tuple(map(maybe_number, document["scaled_rewards"])),
                tuple(map(bool, document["kept"])),
                {name: _moments(task) for name, task in document["tasks"].items()},
                int(document["state_version"]),
                bool(document["replayed"]),
            )
            lengths = {len(read.advantages), len(read.scaled_rewards), len(read.kept)}
            if lengths != {count}:
                raise ValueError(f"lists of {count} values, got {sorted(lengths)}")
        return read


def _moments(document: Any) -> TaskMoments:
    return TaskMoments(number(document["mean"]), number(document["std"]), int(document["updates"]))
