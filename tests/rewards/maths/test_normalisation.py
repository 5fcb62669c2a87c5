"""Tests for `rewards.maths.normalisation`."""

import math
from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.special import expit

from rewards.maths.normalisation import NORMALISATIONS, group_minmax, normalise, sigmoid

groups = st.lists(st.floats(-50.0, 50.0), min_size=2, max_size=16)


def test_a_group_is_spread_over_its_range():
    """The published scores of seven answers keep their order and their proportions."""
    scores = [0.0546, -2.0059, -6.7070, -7.1055, -7.1328, -8.4688, -10.8203]
    expected = [(score + 10.8203) / (0.0546 + 10.8203) for score in scores]
    assert group_minmax(scores) == pytest.approx(expected, abs=1e-9)


@given(groups)
def test_placing_is_what_the_released_steps_give(scores):
    """Z-scores and then min-max, written out step by step with numpy, give the same."""
    array = np.array(scores)
    z = (array - array.mean()) / (array.std() + 1e-6)
    span = z.max() - z.min()
    expected = np.ones_like(z) if span <= 1e-12 else (z - z.min()) / (span + 1e-12)
    assert group_minmax(scores) == pytest.approx(expected.tolist(), abs=1e-12)


@given(groups)
def test_the_best_gets_one_and_the_worst_gets_nothing(scores):
    """Placed scores lie in [0, 1] and touch both ends, unless all are equal."""
    placed = group_minmax(scores)
    assert 0.0 <= min(placed) <= max(placed) <= 1.0
    if max(scores) - min(scores) > 1e-3:
        assert placed[scores.index(max(scores))] == pytest.approx(1.0, abs=1e-6)
        assert placed[scores.index(min(scores))] == 0.0


@given(groups, st.sampled_from(sorted(NORMALISATIONS)))
def test_no_rule_turns_an_order_round(scores, name):
    """Whoever scored more is not placed below who scored less."""
    placed = [value for _, value in sorted(zip(scores, normalise(scores, name), strict=True))]
    assert all(low <= high + 1e-12 for low, high in pairwise(placed))


@given(st.floats(-1e6, 1e6))
def test_the_sigmoid_is_the_logistic_function(score):
    """It agrees with scipy's, far out too."""
    assert sigmoid([score])[0] == pytest.approx(float(expit(score)), abs=1e-15)


def test_raw_leaves_scores_alone():
    """The rule called raw is the identity."""
    assert normalise([-11.0304, None, -0.5703], "raw") == [-11.0304, None, -0.5703]


@given(groups, st.data())
def test_a_group_with_a_gap_is_not_placed(scores, data):
    """Where places are relative, a missing member leaves the whole group without a place."""
    gap = data.draw(st.integers(0, len(scores) - 1))
    gapped = [None if index == gap else score for index, score in enumerate(scores)]
    assert normalise(gapped, "group_minmax") == [None] * len(scores)
    assert [value is None for value in normalise(gapped, "sigmoid")] == [
        index == gap for index in range(len(scores))
    ]


def test_nobody_is_placed_in_an_empty_group():
    """An empty group stays empty under every rule, and no value is made up."""
    assert all(normalise([], name) == [] for name in NORMALISATIONS)
    assert all(math.isfinite(value) for value in group_minmax([7.0]))
