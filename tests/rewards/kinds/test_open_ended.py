"""Tests for `rewards.kinds.open_ended`."""

import pytest
from hypothesis import given
from rouge_score import rouge_scorer

from rewards.kinds.open_ended import read_truth, score_open_ended
from rewards.specs import Spec
from tests.strategies import hostile_answers

SCORER = rouge_scorer.RougeScorer(["rouge1", "rouge2", "rougeL"], use_stemmer=True)
TRUTH = "The capital of France is Paris."


def test_worked_by_hand():
    """The mean of 5/6, 4/5 and 5/6, by a scorer that says what it is."""
    score = score_open_ended("The capital of France is Lyon.", read_truth(TRUTH), Spec())
    assert score.value == pytest.approx(37 / 45)
    assert score.scorer == "rouge"


@given(hostile_answers)
def test_no_answer_can_crash_the_judge(answer):
    """Whatever the policy writes, the score lies in [0, 1] and is the reference's."""
    expected = SCORER.score(TRUTH, answer)
    mean = sum(f.fmeasure for f in expected.values()) / 3
    assert score_open_ended(answer, read_truth(TRUTH), Spec()).value == pytest.approx(mean)
