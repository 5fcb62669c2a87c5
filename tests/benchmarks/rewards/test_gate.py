"""A gate: whoever halves the speed of the library hears of it."""

import pytest

from tests.benchmarks.rewards.report import TARGETS
from tests.benchmarks.rewards.rounds import Rounds, Turn
from tests.benchmarks.rewards.ways import Shape, by_hand, library

SHAPE = Shape(24, 8, quick=16)
ROUNDS = 7


@pytest.mark.promise(57)
def test_the_library_is_not_slower_than_half_its_target():
    """On a small mixed step, a ratio of processor times taken in turns: no clock decides."""
    library(SHAPE.step(0))
    rounds = Rounds.take(
        {
            "baseline": Turn(by_hand, SHAPE.steps(1)),
            "library": Turn(library, SHAPE.steps(SHAPE.quick)),
        }
        for _ in range(ROUNDS)
    )
    ratio = rounds.cpu_ratio("baseline", "library")
    assert ratio.median >= TARGETS["baseline_over_library"].bound / 2
