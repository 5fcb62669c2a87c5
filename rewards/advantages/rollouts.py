"""What estimators read and write: the rollouts of a step, their groups, what becomes of them."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from operator import truediv

from rewards.errors import BadRollouts
from rewards.maths.groups import exact_mean, positions_by_label
from rewards.maths.moments import BatchMoments, Moments

LARGEST_REWARD = 1e150
"""Its square, summed over ten million rollouts, is still a finite double."""

EmaState = Mapping[str, Moments]
Nullable = Sequence[float | None]


def first_unusable(numbers: Nullable) -> int | None:
    """Return where the first number stands whose square, summed up, might not be finite.

    >>> first_unusable([1e150, None, float("nan"), 1e308])
    2
    """
    for position, number in enumerate(numbers):
        # Written so that NaN, which compares false, is found too.
        if number is not None and not -LARGEST_REWARD <= number <= LARGEST_REWARD:
            return position
    return None


@dataclass(frozen=True, slots=True)
class Rollouts:
    """The rewards of one step, side by side with the group and the task of each.

    `None` marks an unscored rollout. `accuracy` is read by the filter alone. Raises
    `BadRollouts` for lists of unequal length and for rewards no estimator can square.
    """

    rewards: Nullable
    groups: Sequence[str]
    tasks: Sequence[str]
    accuracy: Nullable | None = None

    def __post_init__(self) -> None:
        for name in ("groups", "tasks", "accuracy"):
            column = getattr(self, name)
            if column is not None and len(column) != len(self.rewards):
                raise BadRollouts(
                    f"expected as many as rewards ({len(self.rewards)}), got {len(column)}",
                    name,
                )
        position = first_unusable(self.rewards)
        if position is not None:
            raise BadRollouts(
                f"expected a number between -{LARGEST_REWARD:g} and {LARGEST_REWARD:g}, or null"
                f" for an unscored rollout; got {self.rewards[position]!r}",
                "rewards",
                position,
            )


@dataclass(frozen=True, slots=True)
class Group:
    """The scored rollouts of one prompt: where they stand in the step, and what they earned."""

    positions: Sequence[int]
    rewards: Sequence[float]
    tasks: Sequence[str]
    centred: Sequence[float]

    @property
    def comparable(self) -> bool:
        """Whether there is anything to compare: two scored rollouts or more."""
        return len(self.rewards) > 1


@dataclass(frozen=True, slots=True)
class Normalised:
    """A group's advantages, and its rewards divided by the same scale.

    `limited` if an advantage was too large and all of them are what a limit made of them.
    """

    advantages: Sequence[float]
    scaled_rewards: Sequence[float]
    limited: bool = False


@dataclass(frozen=True, slots=True)
class Outcome:
    """What an estimator makes of the groups of a step, one `Normalised` for each.

    `state` is the state after the step, `folded` what the step added to it.
    """

    normalised: Sequence[Normalised]
    state: EmaState
    folded: Mapping[str, BatchMoments]


def form_groups(rollouts: Rollouts) -> dict[str, Group]:
    """Gather the scored rollouts by group, in the order of first sight."""
    scored = [position for position, reward in enumerate(rollouts.rewards) if reward is not None]
    labels = [rollouts.groups[position] for position in scored]
    return {
        label: _group([scored[place] for place in places], rollouts)
        for label, places in positions_by_label(labels).items()
    }


def _group(positions: Sequence[int], rollouts: Rollouts) -> Group:
    rewards = [reward for i in positions if (reward := rollouts.rewards[i]) is not None]
    mean = exact_mean(rewards)
    return Group(
        positions,
        rewards,
        [rollouts.tasks[i] for i in positions],
        [reward - mean for reward in rewards],
    )


def divide(group: Group, scales: Sequence[float]) -> Normalised:
    """Divide a group's centred and plain rewards by one scale for each rollout."""
    return Normalised(
        list(map(truediv, group.centred, scales)), list(map(truediv, group.rewards, scales))
    )


def leave(group: Group) -> Normalised:
    """What becomes of a group that the filter dropped: as if its scale were infinite."""
    nothing = [0.0] * len(group.rewards)
    return Normalised(nothing, nothing)
