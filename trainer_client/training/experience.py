"""What a step has to learn from: what was asked, what was answered, and what that is worth."""

from collections.abc import Sequence
from dataclasses import dataclass

from trainer_client.training.data import Question
from trainer_client.training.rollouts import Rollouts
from trainer_client.wire.advantages import AdvantageResponse
from trainer_client.wire.rewards import ItemResult


@dataclass(frozen=True, slots=True)
class Experience:
    """The rollouts of a step with their verdicts and advantages; rows stand by question."""

    asked: Sequence[Question]
    rollouts: Rollouts
    verdicts: Sequence[ItemResult]
    weighed: AdvantageResponse

    @property
    def advantages(self) -> list[float | None]:
        """The advantage of each rollout; None where it takes no part in learning."""
        return [
            advantage if kept else None
            for advantage, kept in zip(self.weighed.advantages, self.weighed.kept, strict=True)
        ]
