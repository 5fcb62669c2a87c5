"""Tests for `rewards.kinds.numerical`."""

from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rewards.kinds.numerical import score_numerical
from rewards.specs import Spec
from tests.strategies import hostile_answers


@pytest.mark.parametrize(
    ("answer", "truth", "expected"),
    [
        pytest.param("1,234.50", 1234.5, 1.0, id="comma"),
        pytest.param("0.004", 0.0, 1.0, id="rounds-down"),
        pytest.param("0.005", 0.0, 0.0, id="rounds-up"),
        pytest.param("7", -7.0, 0.0, id="sign"),
        pytest.param("3 m", 3.0, 0.0, id="unit"),
    ],
)
def test_worked_by_hand(answer, truth, expected):
    """Two decimals decide."""
    assert score_numerical(answer, truth, Spec()).value == expected


@given(st.decimals(min_value=-1000, max_value=1000, places=3), st.integers(-100000, 100000))
def test_agrees_with_exact_decimals_away_from_ties(written, hundredths):
    """Away from a tie the rounded doubles say what exact decimals say."""
    if abs(written * 1000) % 10 == 5:
        return
    truth = Decimal(hundredths) / 100
    expected = float(round(written, 2) == truth)
    assert score_numerical(str(written), float(truth), Spec()).value == expected


def test_the_number_of_decimals_is_the_specs():
    """An operator's spec may ask for more."""
    assert score_numerical("3.1449", 3.14, Spec(name="sharp", numerical_digits=3)).value == 0.0


@given(hostile_answers)
def test_no_answer_can_crash_the_judge(answer):
    """Whatever the policy writes scores 0 or 1, and a miss of form has a reason."""
    score = score_numerical(answer, 3.14, Spec())
    assert score.value in (0.0, 1.0)


@pytest.mark.parametrize("answer", ["nan", "inf", "1e999", "9" * 400])
def test_a_number_that_is_not_finite_misses(answer):
    """Infinity is nobody's answer."""
    assert score_numerical(answer, 3.14, Spec()).reason == "the number is not finite"
