"""Tests for `rewards.maths.intervals`."""

import numpy as np
import pytest
from hypothesis import given

from rewards.maths.intervals import interval_iou
from tests.strategies import spans


@pytest.mark.parametrize(
    ("a", "b", "expected"),
    [
        pytest.param((0, 4), (2, 6), 1 / 3, id="half"),
        pytest.param((0, 1), (2, 3), 0.0, id="disjoint"),
        pytest.param((6, 2), (2, 6), 0.0, id="reversed"),
        pytest.param((3, 3), (3, 3), 0.0, id="instant"),
        pytest.param((0, 1), (9, 10), 0.0, id="far"),
    ],
)
def test_worked_by_hand(a, b, expected):
    """Overlap over hull, for cases one can check in the head."""
    assert interval_iou(a, b) == pytest.approx(expected)


@given(spans, spans)
def test_agrees_with_counting_cells(a, b):
    """On whole seconds the measure is a count of cells in both over cells in the hull."""
    a, b = ((round(s / 1e4), round(e / 1e4)) for s, e in (a, b))
    cells = np.arange(101)
    in_a, in_b = ((cells >= s) & (cells < e) for s, e in (a, b))
    hull = max(a[1], b[1]) - min(a[0], b[0])
    assert interval_iou(a, b) == pytest.approx((in_a & in_b).sum() / hull if hull else 0.0)


@given(spans, spans)
def test_overlap_is_symmetric_and_bounded(a, b):
    """Neither span is privileged, and no pair scores outside [0, 1]."""
    assert interval_iou(a, b) == interval_iou(b, a)
    assert 0.0 <= interval_iou(a, b) <= 1.0
