"""One step of a run: rollouts and a state go in, advantages and a new state come out."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from rewards.advantages.fates import Fates, fates_of
from rewards.advantages.filters import AccuracyFilter
from rewards.advantages.registry import find_estimator
from rewards.advantages.rollouts import EmaState, Group, Rollouts, form_groups, leave
from rewards.maths.moments import BatchMoments
from rewards.specs import Spec


@dataclass(frozen=True, slots=True)
class Estimate:
    """What a step comes to, in the order of its rollouts.

    `advantages` and `scaled_rewards` are `None` where a rollout is unscored. `kept` is false
    where a rollout takes no part: unscored, or in a group that the filter dropped (whose
    advantages are 0). `state` is the state after the step, `folded` what the step added to it;
    `fates` counts its groups by task and what became of them.
    """

    advantages: Sequence[float | None]
    scaled_rewards: Sequence[float | None]
    kept: Sequence[bool]
    state: EmaState
    folded: Mapping[str, BatchMoments]
    fates: Fates


def take_step(
    rollouts: Rollouts,
    state: EmaState,
    *,
    spec: Spec,
    estimator: str = "ema_grpo",
    accuracy_filter: AccuracyFilter | None = None,
) -> Estimate:
    """Estimate the advantages of one step's global batch.

    `scaled_rewards` are the rewards divided by what the advantages were divided by: a trainer
    that only subtracts the group's mean from them arrives at the same advantages, but for those
    that the paper's rule clips.

    >>> rollouts = Rollouts([1.0, 0.0, None], groups=["p1", "p1", "p1"], tasks=["math"] * 3)
    >>> estimate = take_step(rollouts, {}, spec=Spec(std_epsilon=0.0))
    >>> estimate.advantages, estimate.scaled_rewards, estimate.kept
    ([1.0, -1.0, None], [2.0, 0.0, None], [True, True, False])
    >>> estimate.state
    {'math': Moments(mean=0.5, variance=0.25, updates=1)}
    """
    groups = form_groups(rollouts)
    dropped = accuracy_filter.dropped(rollouts, groups) if accuracy_filter else set()
    kept = {label: group for label, group in groups.items() if label not in dropped}
    outcome = find_estimator(estimator).estimate(list(kept.values()), state, spec)
    placed = list(zip(kept.values(), outcome.normalised, strict=True))
    fates = fates_of(placed, [groups[label] for label in dropped])
    placed += [(groups[label], leave(groups[label])) for label in dropped]
    size = len(rollouts.rewards)
    return Estimate(
        advantages=_spread(size, ((group, done.advantages) for group, done in placed)),
        scaled_rewards=_spread(size, ((group, done.scaled_rewards) for group, done in placed)),
        kept=_mark(size, kept.values()),
        state=outcome.state,
        folded=outcome.folded,
        fates=fates,
    )


def _spread(size: int, values: Iterable[tuple[Group, Sequence[float]]]) -> list[float | None]:
    spread: list[float | None] = [None] * size
    for group, numbers in values:
        for position, number in zip(group.positions, numbers, strict=True):
            spread[position] = number
    return spread


def _mark(size: int, groups: Iterable[Group]) -> list[bool]:
    marks = [False] * size
    for group in groups:
        for position in group.positions:
            marks[position] = True
    return marks
