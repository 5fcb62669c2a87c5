"""What a model must offer to score answers."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

from rewards.errors import ScorerUnavailable


@dataclass(frozen=True, slots=True)
class Comparison:
    """An output to be compared with a reference, both being answers to one prompt.

    `group` names the rollouts that share prompt and reference; it is a hint for thrift and
    never changes a score.
    """

    prompt: str
    reference: str
    output: str
    group: str | None = None


@dataclass(frozen=True, slots=True)
class Health:
    """Whether a model can score now, and in one line why it cannot."""

    ready: bool
    reason: str | None = None


class SimilarityModel(Protocol):
    """A model that says how close an output comes to a reference, on a scale of its own."""

    @property
    def scorer(self) -> str:
        """What every result names as its scorer, such as `polar:POLAR-7B`."""
        ...

    async def start(self) -> None:
        """Load, verify and warm up; raise when the model cannot be used as it stands."""
        ...

    async def compare(
        self, comparisons: Sequence[Comparison], *, deadline: float | None = None
    ) -> list[float | ScorerUnavailable]:
        """Score each comparison, in order: a finite raw score, or why there is none.

        `deadline` is in seconds on the clock of `time.monotonic`; what is not done by then is
        answered `OutOfTime`. Cancelling the call drops what has not been computed yet.
        """
        ...

    def health(self) -> Health:
        """What is known now, without asking the model."""
        ...

    async def close(self) -> None:
        """Let go of the device and the connections; what still waits is unscored."""
        ...
