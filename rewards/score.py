"""What is said of one answer: a judgement of its accuracy, and the reward made of it."""

import math
from collections.abc import Mapping
from typing import Self

from msgspec import Struct, field

from rewards.errors import RewardError

RULE = "rule"


# No cycle leads through a score, so the collector may leave batches of them alone.
class Score(Struct, frozen=True, gc=False):
    """How accurate an answer is, and how that came about.

    `value` is finite; rule kinds stay in [0, 1], or [0, 4] for the paper's sums, and only a
    reward model's raw score may be negative.
    `parts` names the quantities it was made of; `reason` says why an answer missed.

    >>> Score.miss("no number in it")
    Score(value=0.0, parts={}, reason='no number in it', scorer='rule')
    """

    value: float
    parts: Mapping[str, float] = field(default_factory=dict)
    reason: str | None = None
    scorer: str = RULE

    def __post_init__(self) -> None:
        if not math.isfinite(self.value):
            raise ValueError(f"expected a finite score, got {self.value!r}")

    @classmethod
    def miss(cls, reason: str) -> Self:
        """The answer earns nothing, and here is why."""
        return cls(0.0, reason=reason)


class Scored(Struct, frozen=True, gc=False):
    """An item with a verdict: the reward a trainer uses and the parts it was combined from."""

    reward: float
    accuracy: float
    format: float
    structure: float
    parts: Mapping[str, float] = field(default_factory=dict)
    reason: str | None = None
    scorer: str = RULE


class Unscored(Struct, frozen=True):
    """An item without a verdict, which a trainer must skip and never read as 0."""

    format: float
    structure: float
    error: RewardError


Verdict = Scored | Unscored
