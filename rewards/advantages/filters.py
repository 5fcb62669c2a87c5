"""DAPO's filter: a prompt that every rollout solves, or none, teaches nothing."""

import math
from collections.abc import Mapping
from dataclasses import dataclass

from rewards.advantages.rollouts import Group, Rollouts
from rewards.errors import BadRollouts
from rewards.maths.groups import exact_mean


@dataclass(frozen=True, slots=True)
class AccuracyFilter:
    """Keep the groups whose mean accuracy lies strictly between `low` and `high`.

    DAPO (arXiv 2503.14476), with the bounds of OneThinker's training run.
    """

    low: float = 0.01
    high: float = 0.99

    def dropped(self, rollouts: Rollouts, groups: Mapping[str, Group]) -> set[str]:
        """Return the labels of the groups to leave out; raise `BadRollouts` without accuracies.

        Only scored rollouts count.
        """
        return {label for label, group in groups.items() if not self._keeps(rollouts, group)}

    def _keeps(self, rollouts: Rollouts, group: Group) -> bool:
        accuracy = [_accuracy(rollouts, position) for position in group.positions]
        return self.low < exact_mean(accuracy) < self.high


def _accuracy(rollouts: Rollouts, position: int) -> float:
    if rollouts.accuracy is None:
        raise BadRollouts("filter: expected accuracy, one number for each scored rollout")
    accuracy = rollouts.accuracy[position]
    if accuracy is None or not math.isfinite(accuracy):
        raise BadRollouts(
            f"accuracy[{position}]: expected a number, since rewards[{position}] is one and the "
            f"filter reads it; got {accuracy!r}"
        )
    return accuracy
