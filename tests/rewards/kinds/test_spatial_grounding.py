"""Tests for `rewards.kinds.spatial_grounding`."""

import pytest
from hypothesis import given

from rewards.errors import BadTruth
from rewards.kinds.spatial_grounding import read_truth, score_spatial_grounding
from rewards.specs import Spec
from rewards.text.answers import read_box
from tests.strategies import hostile_answers

TRUTH = read_truth('{"boxes": [100, 100, 300, 400]}')


@pytest.mark.parametrize(
    ("answer", "expected"),
    [
        pytest.param('{"boxes": [100, 100, 300, 400]}', 1.0, id="exact"),
        pytest.param('{"boxes": [100, 100, 200, 400]}', 0.5, id="half"),
        pytest.param('{"boxes": [300, 400, 100, 100]}', 0.0, id="swapped"),
        pytest.param('{"boxes": [[100, 100, 300, 400]]}', 0.0, id="nested"),
        pytest.param("[100, 100, 300, 400]", 0.0, id="bare-list"),
    ],
)
def test_scores_by_overlap(answer, expected):
    """The score is the box IoU with the truth."""
    assert score_spatial_grounding(read_box(answer), TRUTH, Spec()).value == pytest.approx(expected)


@given(hostile_answers)
def test_no_answer_can_crash_the_judge(answer):
    """Whatever the policy writes, the score lies in [0, 1]."""
    for strict in (True, False):
        score = score_spatial_grounding(read_box(answer, strict=strict), TRUTH, Spec())
        assert 0.0 <= score.value <= 1.0


def test_a_corner_that_is_not_finite_misses():
    """An infinite box covers nothing, and says so."""
    score = score_spatial_grounding(read_box('{"boxes": [1e400, 1, 2, 3]}'), TRUTH, Spec())
    assert (score.value, score.reason) == (0.0, "a corner is not finite")


@pytest.mark.parametrize("truth", ["", '{"boxes": {}}', '{"boxes": [1, 2, 3, Infinity]}', [1, 2]])
def test_an_unreadable_truth_is_loud(truth):
    """A broken dataset is an error, not a zero."""
    with pytest.raises(BadTruth, match="expected"):
        read_truth(truth)
