"""Tests for `rewards.kinds.temporal_grounding`."""

import pytest
from hypothesis import given

from rewards.errors import BadTruth
from rewards.kinds.temporal_grounding import read_truth, score_temporal_grounding
from rewards.specs import Spec
from rewards.text.answers import read_span
from tests.strategies import hostile_answers

TRUTH = read_truth('{"time": [2, 6]}')


@pytest.mark.parametrize(
    ("answer", "expected"),
    [
        pytest.param('{"time": [2, 6]}', 1.0, id="exact"),
        pytest.param('{"time": [0, 4]}', 1 / 3, id="half-overlap"),
        pytest.param('{"time": [7, 9]}', 0.0, id="disjoint"),
        pytest.param('{"time": [6, 2]}', 0.0, id="reversed"),
        pytest.param('{"time": "12"}', 0.0, id="text"),
    ],
)
def test_scores_by_overlap(answer, expected):
    """The score is the temporal IoU with the truth."""
    score = score_temporal_grounding(read_span(answer), TRUTH, Spec())
    assert score.value == pytest.approx(expected)


@given(hostile_answers)
def test_no_answer_can_crash_the_judge(answer):
    """Whatever the policy writes, the score lies in [0, 1]."""
    for strict in (True, False):
        score = score_temporal_grounding(read_span(answer, strict=strict), TRUTH, Spec())
        assert 0.0 <= score.value <= 1.0


def test_a_time_that_is_not_finite_misses():
    """Infinity overlaps nothing, and says so."""
    score = score_temporal_grounding(read_span('{"time": [2, 1e999]}'), TRUTH, Spec())
    assert (score.value, score.reason) == (0.0, "a time is not finite")


@pytest.mark.parametrize("truth", ["no span here", '{"time": [1]}', '{"time": [NaN, 1]}', None, 7])
def test_an_unreadable_truth_is_loud(truth):
    """A broken dataset is an error, not a zero."""
    with pytest.raises(BadTruth, match="expected"):
        read_truth(truth)
