"""The one table of advantage estimators."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from rewards.advantages.dr_grpo import estimate_dr_grpo
from rewards.advantages.ema_grpo import estimate_ema_grpo
from rewards.advantages.grpo import estimate_grpo
from rewards.advantages.rollouts import EmaState, Group, Outcome
from rewards.errors import UnknownEstimator
from rewards.specs import Spec


@dataclass(frozen=True, slots=True)
class Estimator:
    """A way to turn the rewards of groups into advantages; `by_task` if it reads their tasks."""

    name: str
    estimate: Callable[[Sequence[Group], EmaState, Spec], Outcome]
    doc: str
    by_task: bool = False


ESTIMATORS = (
    Estimator(
        "ema_grpo",
        estimate_ema_grpo,
        "divides by sigma of the task, a moving average",
        by_task=True,
    ),
    Estimator("grpo", estimate_grpo, "divides by the standard deviation of the group"),
    Estimator("dr_grpo", estimate_dr_grpo, "only takes the group's mean off"),
)


def find_estimator(name: str) -> Estimator:
    """Return the estimator called `name`; raise `UnknownEstimator` with the known names otherwise.

    >>> find_estimator("dr_grpo").doc
    "only takes the group's mean off"
    """
    for estimator in ESTIMATORS:
        if estimator.name == name:
            return estimator
    known = ", ".join(estimator.name for estimator in ESTIMATORS)
    raise UnknownEstimator(f"unknown estimator {name!r}; known: {known}")
