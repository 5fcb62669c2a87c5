"""Tests for `rewards.kinds.spatial_temporal_grounding`."""

import pytest
from hypothesis import given

from rewards.errors import BadTruth
from rewards.kinds.spatial_temporal_grounding import read_truth, score_spatial_temporal_grounding
from rewards.maths.boxes import box_iou
from rewards.maths.intervals import interval_iou
from rewards.specs import ONETHINKER_PAPER, ONETHINKER_RELEASED
from rewards.text.answers import read_tube
from tests.strategies import hostile_answers

SOURCE = {"time": [5, 9], "boxes": {str(k): [k - 5, k - 5, k + 5, k + 5] for k in range(5, 9)}}
TRUTH = read_truth(SOURCE)
SPECS = [ONETHINKER_RELEASED, ONETHINKER_PAPER]


@pytest.mark.parametrize(
    ("answer", "released", "paper"),
    [
        pytest.param(SOURCE, 1.0, 2.0, id="exact"),
        pytest.param({"time": [5, 9]}, 0.5, 1.0, id="time-only"),
        pytest.param({"boxes": SOURCE["boxes"]}, 0.5, 1.0, id="boxes-only"),
        pytest.param({"time": [5, 9], "boxes": {}}, 0.5, 1.0, id="empty-boxes"),
        pytest.param({"time": [5, 9], "boxes": {"5": [0, 0, 10, 10]}}, 1.0, 1.25, id="one-frame"),
        pytest.param({"time": [5, 9], "boxes": {"5": None}}, 0.5, 1.0, id="unreadable-frame"),
        pytest.param({"time": ["a", "b"], "boxes": SOURCE["boxes"]}, 0.5, 1.0, id="words"),
    ],
)
def test_worked_by_hand(answer, released, paper):
    """Released: half and half over common frames. Paper: the sum over the truth's frames."""
    for spec, expected in zip(SPECS, (released, paper), strict=True):
        score = score_spatial_temporal_grounding(read_tube(answer), TRUTH, spec)
        assert score.value == pytest.approx(expected)


def test_is_the_weighted_sum_of_its_parts():
    """Equation 5, put together from the two measures it names."""
    answer = {
        "time": [6, 8],
        "boxes": {"5": [0, 0, 5, 10], "6": [1, 1, 11, 11], "20": [0, 0, 1, 1]},
    }
    time_iou = interval_iou((6, 8), (5, 9))
    overlaps = box_iou((0, 0, 5, 10), (0, 0, 10, 10)) + box_iou((1, 1, 11, 11), (1, 1, 11, 11))
    released = score_spatial_temporal_grounding(read_tube(answer), TRUTH, ONETHINKER_RELEASED)
    paper = score_spatial_temporal_grounding(read_tube(answer), TRUTH, ONETHINKER_PAPER)
    assert released.value == pytest.approx(0.5 * time_iou + 0.5 * overlaps / 2)
    assert paper.value == pytest.approx(time_iou + overlaps / 4)


@given(hostile_answers)
def test_no_answer_can_crash_the_judge(answer):
    """Whatever the policy writes, the score lies between 0 and the sum of the weights."""
    for spec, highest in zip(SPECS, (1.0, 2.0), strict=True):
        tube = read_tube(answer, strict=spec.answers == "strict")
        assert 0.0 <= score_spatial_temporal_grounding(tube, TRUTH, spec).value <= highest


@pytest.mark.parametrize("answer", ['{"time": [1, 1e999]}', '{"boxes": {"5": [NaN, 0, 1, 1]}}'])
def test_a_number_that_is_not_finite_misses(answer):
    """An infinity in either part spoils the answer, and says so."""
    score = score_spatial_temporal_grounding(read_tube(answer), TRUTH, ONETHINKER_RELEASED)
    assert (score.value, score.reason) == (0.0, "a number is not finite")


@pytest.mark.parametrize(
    "truth",
    ["", '{"time": [1, 2]}', '{"time": [1, 2], "boxes": {}}', '{"boxes": {"1": [0, 0, 1, 1]}}'],
)
def test_an_unreadable_truth_is_loud(truth):
    """A broken dataset is an error, not a zero."""
    with pytest.raises(BadTruth, match="expected"):
        read_truth(truth)
