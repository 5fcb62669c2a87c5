"""Tests for `rewards.maths.boxes`."""

import numpy as np
import pytest
from hypothesis import assume, given
from pycocotools import mask as coco

from rewards.maths.boxes import box_area, box_iou
from tests.strategies import boxes


@pytest.mark.parametrize(
    ("a", "b", "expected"),
    [
        pytest.param((0, 0, 10, 10), (5, 0, 15, 10), 1 / 3, id="shifted"),
        pytest.param((0, 0, 10, 10), (0, 0, 5, 5), 0.25, id="nested"),
        pytest.param((0, 0, 10, 10), (10, 0, 20, 10), 0.0, id="touching"),
        pytest.param((300, 400, 100, 100), (100, 100, 300, 400), 0.0, id="swapped"),
        pytest.param((5, 5, 5, 5), (5, 5, 5, 5), 0.0, id="point"),
    ],
)
def test_worked_by_hand(a, b, expected):
    """Intersection over union, for cases one can check in the head."""
    assert box_iou(a, b) == pytest.approx(expected)


@given(boxes, boxes)
def test_agrees_with_pycocotools(a, b):
    """COCO's own evaluation code gives the same number, for boxes one can see."""
    assume(all(box[i + 2] - box[i] > 1e-3 for box in (a, b) for i in (0, 1)))
    as_xywh = [[box[0], box[1], box[2] - box[0], box[3] - box[1]] for box in (a, b)]
    expected = coco.iou(np.array(as_xywh[:1]), np.array(as_xywh[1:]), [0])[0, 0]
    assert box_iou(a, b) == pytest.approx(expected, abs=1e-9)


@given(boxes, boxes)
def test_overlap_is_symmetric_and_bounded(a, b):
    """Neither box is privileged, and no pair scores outside [0, 1]."""
    assert box_iou(a, b) == pytest.approx(box_iou(b, a))
    assert 0.0 <= box_iou(a, b) <= 1.0 + 1e-12


@given(boxes)
def test_a_box_matches_itself_unless_empty(a):
    """Perfect overlap is 1; a box without area overlaps nothing."""
    assert box_iou(a, a) == (1.0 if box_area(a) > 1e-12 else 0.0)
