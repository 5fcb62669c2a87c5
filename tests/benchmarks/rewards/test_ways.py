"""Tests for `tests.benchmarks.rewards.ways`."""

import pytest

from tests.benchmarks.rewards.baseline import Marks
from tests.benchmarks.rewards.ways import Shape, by_library, check_same

SHAPES = {
    "groups": Shape(24, 2),
    "distinct": Shape(48, 1, distinct=True),
}


@pytest.mark.parametrize("shape", SHAPES.values(), ids=SHAPES)
def test_the_library_gives_the_baselines_numbers(shape):
    """On a small mixed step the straightforward way and the library agree on all four numbers."""
    check_same(shape.step(7), by_library)


def test_a_difference_is_noticed():
    """The comparison is one that can fail."""
    step = SHAPES["groups"].step(7)
    with pytest.raises(AssertionError, match="expected Marks"):
        check_same(step, lambda step: [Marks(0.0, 0.0, 0.0, 0.0)] * len(step))


def test_distinct_items_share_nothing():
    """No two items of a distinct step have the same truth and answer."""
    samples = Shape(256, 1, distinct=True).step(7).samples
    pairs = {(sample.ground_truth, sample.response) for sample in samples}
    assert len(pairs) == len(samples)
