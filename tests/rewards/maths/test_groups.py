"""Tests for `rewards.maths.groups`."""

import math
import statistics
from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rewards.maths.groups import (
    exact_mean,
    population_std,
    positions_by_label,
    sample_std,
    sum_of_squares,
)

numbers = st.floats(-1e9, 1e9)
several = st.lists(numbers, min_size=2, max_size=40)


def test_labels_keep_the_order_of_first_sight():
    """Positions are gathered by label, and labels stay in the order in which they came."""
    assert positions_by_label(["b", "a", "b"]) == {"b": [0, 2], "a": [1]}


@given(several)
def test_the_mean_is_that_of_the_fractions(values):
    """The mean agrees with exact rational arithmetic to an ulp or two."""
    exact = float(statistics.mean(map(Fraction, values)))
    assert exact_mean(values) == pytest.approx(exact, rel=4e-16, abs=1e-300)


@given(several, st.randoms())
def test_order_does_not_change_a_bit(values, random):
    """Mean and sum of squares are the same to the last bit in any order."""
    shuffled = list(values)
    random.shuffle(shuffled)
    assert exact_mean(shuffled) == exact_mean(values)
    assert sum_of_squares(shuffled) == sum_of_squares(values)


@given(numbers, st.integers(1, 200))
def test_equal_values_have_exactly_themselves_as_mean(value, count):
    """The mean of equal values is that value, so they are exactly 0 from it."""
    assert exact_mean([value] * count) == value


@given(several)
def test_deviations_agree_with_the_standard_library(values):
    """Both deviations are those of `statistics`, which reckons in fractions."""
    mean = exact_mean(values)
    centred = [value - mean for value in values]
    assert population_std(centred) == pytest.approx(statistics.pstdev(values), rel=1e-9, abs=1e-9)
    assert sample_std(centred) == pytest.approx(statistics.stdev(values), rel=1e-9, abs=1e-9)


def test_deviations_by_hand():
    """The values 1 and 3 deviate by 1 from their mean: over n that is 1, over n - 1 √2."""
    assert population_std([-1.0, 1.0]) == 1.0
    assert sample_std([-1.0, 1.0]) == math.sqrt(2)
