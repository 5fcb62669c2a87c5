"""POLAR's published examples scored here, each beside the number its authors published."""

from collections.abc import Sequence
from dataclasses import dataclass

from rewards.errors import ScorerUnavailable
from rewards.ports import Comparison, SimilarityModel

CAPITAL = "What is the capital of China?"
LETTERS = "How many 'r's are there in the word 'strawberry'?"
SPELLED = "'s', 't', 'r', 'a', 'w', 'b', 'e', 'r', 'r', 'y'"
COUNTED = (
    "There are 3 'r's in the word 'strawberry'. Here's how we can count them:"
    f" {SPELLED}. So, the answer is 3."
)


@dataclass(frozen=True, slots=True)
class Published:
    """A comparison and the score that POLAR-7B gives it, by the README of its authors.

    The first two were published from a pass in float32, the rest from a server in half precision.
    """

    comparison: Comparison
    score: float


def _reasoned(counted: str, answered: str) -> str:
    return (
        f"Let's count the 'r's in 'strawberry': {SPELLED}."
        f" There are {counted} 'r's, so the answer is {answered}."
    )


PUBLISHED = (
    Published(Comparison(CAPITAL, "Beijing.", "Beijing."), -0.5703),
    Published(Comparison(CAPITAL, "Beijing.", "Shanghai."), -11.0304),
    *(
        Published(Comparison(LETTERS, COUNTED, output), score)
        for output, score in (
            (COUNTED, 0.0546),
            (_reasoned("three", "three"), -2.0059),
            ("There are 3 'r's in the word 'strawberry'.", -6.7070),
            (_reasoned("two", "three"), -7.1055),
            (_reasoned("three", "two"), -7.1328),
            (_reasoned("two", "two"), -8.4688),
            ("There are 2 'r's in the word 'strawberry'.", -10.8203),
        )
    ),
)


@dataclass(frozen=True, slots=True)
class Checked:
    """A published example, and what the model at hand says of it."""

    example: Published
    found: float | ScorerUnavailable

    @property
    def difference(self) -> float | None:
        """How far the score is from the published one; None without a score."""
        return (
            None if isinstance(self.found, ScorerUnavailable) else self.found - self.example.score
        )


@dataclass(frozen=True, slots=True)
class CheckReport:
    """What a model says of all published examples; only POLAR-7B should say the same."""

    scorer: str
    rows: Sequence[Checked]

    @property
    def largest_difference(self) -> float | None:
        """The largest distance from a published score; None unless everything was scored."""
        distances = [abs(d) for row in self.rows if (d := row.difference) is not None]
        return max(distances) if len(distances) == len(self.rows) else None


async def check_published(model: SimilarityModel) -> CheckReport:
    """Score the published examples with a started model."""
    found = await model.compare([example.comparison for example in PUBLISHED])
    rows = [Checked(example, score) for example, score in zip(PUBLISHED, found, strict=True)]
    return CheckReport(model.scorer, rows)
