"""Tests for `rewards.maths.points`."""

import math
from itertools import permutations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rewards.maths.points import mean_matched_distance
from tests.strategies import points

some_points = st.lists(points, min_size=1, max_size=5)


def brute_force(predicted, true):
    """The least mean over every way to pair the smaller side."""
    few, many = sorted((predicted, true), key=len)
    return min(
        sum(math.dist(a, b) for a, b in zip(few, order, strict=True))
        for order in permutations(many, len(few))
    ) / len(few)


def test_worked_by_hand():
    """Crossed points are uncrossed: distances 0, 3 and 3 have the mean 2."""
    predicted = [(0, 0), (10, 0), (0, 10)]
    true = [(10, 3), (0, 0), (3, 10)]
    assert mean_matched_distance(predicted, true) == pytest.approx(2.0)


@given(some_points, some_points)
def test_agrees_with_trying_every_pairing(predicted, true):
    """No pairing of any count is cheaper than the one found."""
    assert mean_matched_distance(predicted, true) == pytest.approx(brute_force(predicted, true))


@given(some_points.flatmap(lambda ps: st.tuples(st.just(ps), st.permutations(ps))))
def test_order_does_not_matter(pair):
    """The same points in another order are at distance 0."""
    assert mean_matched_distance(*pair) == 0.0


def test_an_empty_side_is_an_error():
    """There is no distance to nothing."""
    with pytest.raises(ValueError, match="expected points on both sides, got 0 and 1"):
        mean_matched_distance([], [(0, 0)])
