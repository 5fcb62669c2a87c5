"""Tests for `rewards.kinds.ocr`."""

import jiwer
import pytest
from hypothesis import given

from rewards.kinds.ocr import read_truth, score_ocr
from rewards.specs import Spec
from tests.strategies import hostile_answers, words


@pytest.mark.parametrize(
    ("answer", "truth", "expected"),
    [
        pytest.param("Hello, World", "Hello World", 0.5, id="one-of-two"),
        pytest.param("Hello  World", "Hello World", 1.0, id="spaces"),
        pytest.param("a a a", "a", 0.0, id="worse-than-nothing"),
        pytest.param("", "", 1.0, id="blank"),
    ],
)
def test_worked_by_hand(answer, truth, expected):
    """One minus the word error rate, never below 0."""
    assert score_ocr(answer, read_truth(truth), Spec()).value == pytest.approx(expected)


@given(words, words.filter(bool))
def test_agrees_with_jiwer(read, true):
    """The paper's measure, through the library it names."""
    expected = max(0.0, 1.0 - jiwer.wer(" ".join(true), " ".join(read)))
    assert score_ocr(" ".join(read), true, Spec()).value == pytest.approx(expected)


@given(hostile_answers)
def test_no_answer_can_crash_the_judge(answer):
    """Whatever the policy writes, the score lies in [0, 1]."""
    assert 0.0 <= score_ocr(answer, ["the", "cat"], Spec()).value <= 1.0
