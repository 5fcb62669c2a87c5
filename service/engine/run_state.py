"""A run's state as it is stored: what its first step pinned, and the moments of its tasks."""

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from typing import Any, Self

import orjson

from rewards.advantages.rollouts import EmaState
from rewards.maths.moments import Moments
from rewards.specs import Spec


@dataclass(frozen=True, slots=True)
class RunSettings:
    """What every step of a run has in common: its estimator and its spec, to the last constant."""

    estimator: str
    spec: str
    digest: str
    ema_decay: float
    std_floor: float
    std_epsilon: float
    advantage_limit: float
    limit_rule: str

    @classmethod
    def of(cls, estimator: str, spec: Spec) -> Self:
        """Return the settings of steps taken by `estimator` under `spec`."""
        return cls(
            estimator,
            spec.name,
            spec.digest,
            spec.ema_decay,
            spec.std_floor,
            spec.std_epsilon,
            spec.advantage_limit,
            spec.limit_rule,
        )

    def differences(self, given: "RunSettings") -> dict[str, dict[str, object]]:
        """Name each setting in which `given` differs, with both values.

        >>> pinned = RunSettings.of("grpo", Spec())
        >>> pinned.differences(RunSettings.of("dr_grpo", Spec()))
        {'estimator': {'pinned': 'grpo', 'given': 'dr_grpo'}}
        """
        ours, theirs = asdict(self), asdict(given)
        return {
            name: {"pinned": value, "given": theirs[name]}
            for name, value in ours.items()
            if value != theirs[name]
        }


@dataclass(frozen=True, slots=True)
class RunState:
    """What a run's next step starts from.

    >>> state = RunState(RunSettings.of("ema_grpo", Spec()), {"math": Moments(0.1, 0.2, 3)})
    >>> RunState.decode(state.encode()) == state
    True
    """

    settings: RunSettings
    tasks: EmaState = field(default_factory=dict)

    def encode(self) -> bytes:
        """Write the state as JSON; every number reads back to the last bit."""
        return orjson.dumps({"settings": asdict(self.settings), "tasks": write_tasks(self.tasks)})

    @classmethod
    def decode(cls, document: bytes) -> Self:
        """Read what `encode` wrote."""
        content = orjson.loads(document)
        return cls(RunSettings(**content["settings"]), read_tasks(content["tasks"]))


def write_tasks(tasks: EmaState) -> dict[str, list[float]]:
    """Return mean, variance and updates by task."""
    return {
        task: [moments.mean, moments.variance, moments.updates] for task, moments in tasks.items()
    }


def read_tasks(tasks: Mapping[str, Any]) -> dict[str, Moments]:
    """Read what `write_tasks` returned."""
    return {
        task: Moments(float(mean), float(variance), int(updates))
        for task, (mean, variance, updates) in tasks.items()
    }


def describe_tasks(tasks: EmaState, *, floor: float) -> dict[str, dict[str, float]]:
    """Return what callers are told of each task: its mean, its deviation, and its updates.

    >>> describe_tasks({"math": Moments(0.5, 0.25, 3)}, floor=1e-3)
    {'math': {'mean': 0.5, 'std': 0.5, 'updates': 3}}
    """
    return {
        task: {"mean": of.mean, "std": of.std(floor), "updates": of.updates}
        for task, of in tasks.items()
    }
