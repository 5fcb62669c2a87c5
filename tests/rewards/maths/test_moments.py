"""Tests for `rewards.maths.moments`."""

import math
import random
from collections import deque
from itertools import pairwise

import mpmath
import pytest
from hypothesis import given
from hypothesis import strategies as st

from rewards.maths.moments import BatchMoments, Moments, fold

DECAY = 0.99
means = st.floats(-1e6, 1e6)
variances = st.floats(0, 1e9)
batches = st.lists(st.builds(BatchMoments, st.just(8), means, variances), min_size=1, max_size=30)


def run(batches):
    """The moments after each of `batches`."""
    after = None
    for batch in batches:
        after = fold(after, batch, DECAY)
        yield after


def paper_moments(batches, precision):
    """Equation 9 as written, m1 and m2 side by side, in `precision` decimal digits."""
    with mpmath.workdps(precision):
        decay = mpmath.mpf(DECAY)
        first = second = None
        for batch in batches:
            mean = mpmath.mpf(batch.mean)
            square = mpmath.mpf(batch.variance) + mean * mean
            first = mean if first is None else decay * first + (1 - decay) * mean
            second = square if second is None else decay * second + (1 - decay) * square
        return first, second


def test_a_second_batch_by_hand():
    """Mean 0 and variance 1, then a batch of mean 1 and variance 0 at decay 0.5.

    m1 = 0.5 and m2 = 0.5 · 1 + 0.5 · 1 = 1, so the variance is 1 - 0.25.
    """
    after = fold(Moments(0.0, 1.0, updates=1), BatchMoments(4, 1.0, 0.0), 0.5)
    assert after == Moments(0.5, 0.75, updates=2)
    assert after.mean_square == 1.0


@given(batches)
def test_the_moments_are_those_of_the_paper(batches):
    """Mean, mean square and variance follow equation 9, reckoned here with 60 digits."""
    *_, after = run(batches)
    first, second = paper_moments(batches, precision=60)
    largest = max(abs(batch.mean) for batch in batches)
    assert after.mean == pytest.approx(float(first), rel=1e-12, abs=1e-13 * largest)
    assert after.mean_square == pytest.approx(float(second), rel=1e-12)
    with mpmath.workdps(60):
        variance = float(second - first * first)
    assert after.variance == pytest.approx(variance, rel=1e-9, abs=1e-12 * largest**2)


@pytest.mark.promise(38)
def test_a_million_updates_stay_exact_to_twelve_digits():
    """After 10⁶ updates mean and mean square are within 1e-12, relative, of 40 digits.

    What came before the last 12,000 batches weighs less than 0.99¹²⁰⁰⁰ < 1e-52 in them.
    """
    source = random.Random(7)
    after, latest = None, deque(maxlen=12_000)
    for _ in range(10**6):
        batch = BatchMoments(8, source.uniform(0.2, 1.6), source.uniform(0.0, 0.5))
        after = fold(after, batch, DECAY)
        latest.append(batch)
    first, second = paper_moments(latest, precision=60)
    assert after.updates == 10**6
    assert abs(after.mean - first) <= 1e-12 * first
    assert abs(after.mean_square - second) <= 1e-12 * second
    assert abs(after.variance - (second - first**2)) <= 1e-12 * second


@given(batches)
@pytest.mark.promise(38)
def test_the_variance_is_never_negative(batches):
    """No sequence of batches leads below zero."""
    assert all(moments.variance >= 0.0 for moments in run(batches))


@given(st.floats(-1e12, 1e12), st.integers(1, 300))
def test_constant_rewards_have_no_variance_at_any_size(value, count):
    """Equal batches, as large as may be, leave mean and variance exactly where they are."""
    *_, after = run([BatchMoments(8, value, 0.0)] * count)
    assert after == Moments(value, 0.0, updates=count)


def test_a_small_spread_on_large_rewards_survives():
    """Rewards of 1e8 ± 1 keep their deviation of 1, which m2 - m1² cannot hold."""
    *_, after = run([BatchMoments(8, 1e8, 1.0)] * 1000)
    assert after.std(floor=1e-3) == pytest.approx(1.0, rel=1e-12)
    squares = (1e8 + 1) ** 2 / 2 + (1e8 - 1) ** 2 / 2
    assert squares - 1e8**2 != 1.0


@given(batches)
def test_the_mean_stays_within_what_was_seen(batches):
    """A moving average never leaves the range of its batches."""
    seen = [batch.mean for batch in batches]
    for moments in run(batches):
        assert min(seen) - 1e-9 <= moments.mean <= max(seen) + 1e-9


def test_updates_are_counted():
    """Each batch counts once."""
    counts = [moments.updates for moments in run([BatchMoments(2, 0.0, 0.0)] * 5)]
    assert all(later == earlier + 1 for earlier, later in pairwise(counts))


@pytest.mark.parametrize(("variance", "expected"), [(0.0, 1e-3), (1e-7, 1e-3), (4.0, 2.0)])
def test_sigma_has_a_floor(variance, expected):
    """The deviation is the root of the variance, and never below the floor."""
    assert Moments(0.0, variance, updates=1).std(floor=1e-3) == expected


def test_largest_allowed_rewards_stay_finite():
    """Batches at the edge of what is accepted overflow nowhere."""
    extremes = [BatchMoments(8, 1e150, 4e300), BatchMoments(8, -1e150, 4e300)] * 50
    assert all(
        math.isfinite(moments.variance) and math.isfinite(moments.mean) for moments in run(extremes)
    )
