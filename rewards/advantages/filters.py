"""DAPO's filter: a prompt that every rollout solves, or none, teaches nothing."""

from collections.abc import Mapping
from dataclasses import dataclass

from rewards.advantages.rollouts import Group, Nullable, Rollouts, first_unusable
from rewards.errors import BadRollouts
from rewards.maths.groups import exact_mean


@dataclass(frozen=True, slots=True)
class AccuracyFilter:
    """Keep the groups whose mean accuracy lies strictly between `low` and `high`.

    DAPO (arXiv 2503.14476), with the bounds of OneThinker's training run.
    """

    low: float = 0.01
    high: float = 0.99

    def accuracies(self, rollouts: Rollouts) -> Nullable:
        """Return the accuracy of each rollout; raise `BadRollouts` where a scored one has none."""
        if rollouts.accuracy is None:
            raise BadRollouts("the filter reads one for each scored rollout, got none", "accuracy")
        pairs = list(zip(rollouts.rewards, rollouts.accuracy, strict=True))
        read = [None if reward is None else accuracy for reward, accuracy in pairs]
        at = first_unusable(read)
        if at is None:
            missing = (i for i, pair in enumerate(pairs) if pair[0] is not None and pair[1] is None)
            at = next(missing, None)
        if at is not None:
            raise BadRollouts(
                f"expected a number, since rewards[{at}] is one and the filter reads it;"
                f" got {rollouts.accuracy[at]!r}",
                "accuracy",
                at,
            )
        return rollouts.accuracy

    def dropped(self, rollouts: Rollouts, groups: Mapping[str, Group]) -> set[str]:
        """Return the labels of the groups to leave out. Only scored rollouts count."""
        column = self.accuracies(rollouts)
        means = {
            label: exact_mean([value for i in group.positions if (value := column[i]) is not None])
            for label, group in groups.items()
        }
        return {label for label, mean in means.items() if not self.low < mean < self.high}
