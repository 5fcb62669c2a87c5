"""Tests for `rewards.kinds.tracking`."""

import json

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from pycocotools import mask as coco

from rewards.errors import BadTruth
from rewards.kinds.tracking import read_truth, score_tracking
from rewards.specs import Spec
from rewards.text.answers import read_tube
from tests.strategies import hostile_answers

FRAMES = {str(k): [k, k, k + 10, k + 20] for k in range(1, 9)}
TRUTH = read_truth({"boxes": FRAMES})

solid_boxes = st.tuples(*[st.integers(0, 400)] * 2, *[st.integers(1, 400)] * 2).map(
    lambda b: [b[0], b[1], b[0] + b[2], b[1] + b[3]]
)
tracks = st.dictionaries(st.sampled_from("12345"), solid_boxes, min_size=1)


@pytest.mark.parametrize(
    ("boxes", "expected"),
    [
        pytest.param(FRAMES, 1.0, id="exact"),
        pytest.param({k: FRAMES[k] for k in "1234"}, 0.5, id="half-the-frames"),
        pytest.param({**FRAMES, "99": [0, 0, 1, 1]}, 1.0, id="a-frame-too-many"),
        pytest.param(
            {k: [b[0] + 3, b[1], b[2] + 3, b[3]] for k, b in FRAMES.items()}, 7 / 13, id="off"
        ),
        pytest.param({}, 0.0, id="none"),
    ],
)
def test_scores_by_mean_overlap(boxes, expected):
    """The score is the mean IoU over the truth's frames."""
    answer = read_tube(json.dumps({"boxes": boxes}))
    assert score_tracking(answer, TRUTH, Spec()).value == pytest.approx(expected)


@given(tracks, tracks)
def test_agrees_with_pycocotools(boxes, true_boxes):
    """COCO's evaluation code, frame by frame, has the same mean."""
    overlaps = [
        coco.iou(_xywh(boxes[frame]), _xywh(box), [0])[0, 0] if frame in boxes else 0.0
        for frame, box in true_boxes.items()
    ]
    score = score_tracking(read_tube({"boxes": boxes}), read_truth({"boxes": true_boxes}), Spec())
    assert score.value == pytest.approx(np.mean(overlaps))


def _xywh(box):
    return np.array([[box[0], box[1], box[2] - box[0], box[3] - box[1]]], dtype=float)


@given(hostile_answers)
def test_no_answer_can_crash_the_judge(answer):
    """Whatever the policy writes, the score lies in [0, 1]."""
    for strict in (True, False):
        assert 0.0 <= score_tracking(read_tube(answer, strict=strict), TRUTH, Spec()).value <= 1.0


def test_a_corner_that_is_not_finite_misses():
    """One infinite box spoils the track, and says so."""
    answer = read_tube('{"boxes": {"1": [1, 1, 11, 21], "2": [NaN, 0, 1, 1]}}')
    assert score_tracking(answer, TRUTH, Spec()).reason == "a corner is not finite"


@pytest.mark.parametrize(
    "truth", ["", '{"boxes": {}}', '{"boxes": {"1": [1, 2]}}', '{"boxes": {"1": [1, 2, 3, 1e999]}}']
)
def test_an_unreadable_truth_is_loud(truth):
    """A broken dataset is an error, not a zero."""
    with pytest.raises(BadTruth, match="expected"):
        read_truth(truth)
