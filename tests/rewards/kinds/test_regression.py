"""Tests for `rewards.kinds.regression`."""

import pytest
from hypothesis import given

from rewards.kinds.regression import score_regression
from rewards.specs import ONETHINKER_PAPER, Spec
from tests.strategies import hostile_answers


@pytest.mark.parametrize(
    ("answer", "truth", "expected"),
    [
        pytest.param("95,000", 100000.0, 1.0, id="comma"),
        pytest.param("0.0015", 0.001, 0.1, id="half-off"),
        pytest.param("3 m", 3.0, 0.0, id="unit"),
    ],
)
def test_worked_by_hand(answer, truth, expected):
    """The share of tolerances met, read from text."""
    assert score_regression(answer, truth, Spec()).value == pytest.approx(expected)


def test_the_precision_is_the_specs():
    """A quarter off is a tie: float32 drops the guard of 1e-8, double precision keeps it."""
    assert score_regression("-3", -4.0, Spec()).value == 0.5
    assert score_regression("-3", -4.0, ONETHINKER_PAPER).value == 0.6


@given(hostile_answers)
def test_no_answer_can_crash_the_judge(answer):
    """Whatever the policy writes, the score lies in [0, 1]."""
    for spec in (Spec(), ONETHINKER_PAPER):
        assert 0.0 <= score_regression(answer, 10.0, spec).value <= 1.0


@pytest.mark.parametrize("answer", ["nan", "inf", "1e999"])
def test_a_number_that_is_not_finite_misses(answer):
    """Infinity is close to nothing."""
    assert score_regression(answer, 10.0, Spec()).reason == "the number is not finite"
