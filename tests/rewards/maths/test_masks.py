"""Tests for `rewards.maths.masks`."""

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from skimage.morphology import dilation, disk

from rewards.maths.masks import (
    Overlap,
    boundary_f,
    cumulative_iou,
    mask_boundary,
    mask_overlap,
    mean_iou,
    region_and_boundary,
)

SIDES = st.tuples(st.integers(1, 14), st.integers(1, 14))
PAIRS = SIDES.flatmap(lambda shape: st.tuples(arrays(bool, shape), arrays(bool, shape)))
TOLERANCES = st.sampled_from([0.0, 0.0075, 0.008, 0.1, 0.3])


def square(side, top, left, size):
    """Return a square of `size` on a field of `side`."""
    mask = np.zeros((side, side), dtype=bool)
    mask[top : top + size, left : left + size] = True
    return mask


def boundary_by_neighbours(mask):
    """Walk over the pixels and compare each with its three neighbours."""
    height, width = mask.shape
    marked = np.zeros_like(mask)
    for y in range(height):
        for x in range(width):
            neighbours = [
                mask[ny, nx]
                for ny, nx in ((y, x + 1), (y + 1, x), (y + 1, x + 1))
                if ny < height and nx < width
            ]
            marked[y, x] = any(value != mask[y, x] for value in neighbours)
    return marked


def f_by_search(mask, truth, tolerance):
    """Search, for each boundary pixel, the whole other boundary."""
    radius = math.ceil(tolerance * math.hypot(*mask.shape))
    drawn = [tuple(p) for p in np.argwhere(boundary_by_neighbours(mask))]
    true = [tuple(p) for p in np.argwhere(boundary_by_neighbours(truth))]
    if not drawn or not true:
        return 1.0 if not drawn and not true else 0.0

    def share(points, others):
        near = [any((a - c) ** 2 + (b - d) ** 2 <= radius**2 for c, d in others) for a, b in points]
        return sum(near) / len(near)

    precision, recall = share(drawn, true), share(true, drawn)
    return 2 * precision * recall / (precision + recall) if precision + recall else 0.0


def f_by_dilation(mask, truth, tolerance):
    """Dilate each boundary by a disc, as the DAVIS evaluation describes it."""
    footprint = disk(math.ceil(tolerance * math.hypot(*mask.shape)))
    drawn, true = mask_boundary(mask), mask_boundary(truth)
    precision = (drawn & dilation(true, footprint)).sum() / drawn.sum()
    recall = (true & dilation(drawn, footprint)).sum() / true.sum()
    return 2 * precision * recall / (precision + recall) if precision + recall else 0.0


def test_overlap_of_shifted_squares():
    """Two 4x4 squares shifted by 2 share 8 of 24 pixels."""
    assert mask_overlap(square(10, 0, 0, 4), square(10, 0, 2, 4)) == Overlap(8, 24)


@given(PAIRS)
def test_overlap_is_that_of_pixel_sets(pair):
    """Counting agrees with Python's sets; it is symmetric; a mask agrees with itself."""
    mask, truth = pair
    pixels = [{tuple(p) for p in np.argwhere(m)} for m in pair]
    expected = Overlap(len(pixels[0] & pixels[1]), len(pixels[0] | pixels[1]))
    assert mask_overlap(mask, truth) == expected == mask_overlap(truth, mask)
    assert 0.0 <= expected.iou <= 1.0
    assert mask_overlap(mask, mask).iou == 1.0


def test_two_empty_masks_agree():
    """No object said and no object there is right, in J and in F."""
    nothing = np.zeros((3, 3), dtype=bool)
    assert mask_overlap(nothing, nothing).iou == 1.0
    assert boundary_f(nothing, nothing, tolerance=0.008) == 1.0
    assert boundary_f(nothing, square(3, 1, 1, 1), tolerance=0.5) == 0.0


def test_cumulative_and_mean_iou_of_a_data_set():
    """Cumulative IoU adds pixels before dividing, mean IoU divides before averaging."""
    overlaps = [Overlap(10, 20), Overlap(0, 80), Overlap(300, 400)]
    assert cumulative_iou(overlaps) == 310 / 500
    assert mean_iou(overlaps) == pytest.approx((0.5 + 0.0 + 0.75) / 3)
    assert cumulative_iou([]) == mean_iou([]) == 0.0


def test_boundary_of_a_square_lies_on_and_before_its_edge():
    """A 2x2 square in the middle of 5x5 has 8 boundary pixels, one row and column before it."""
    expected = [".....", ".###.", ".#.#.", ".###.", "....."]
    marks = mask_boundary(square(5, 2, 2, 2))
    assert ["".join(".#"[int(v)] for v in row) for row in marks] == expected


def test_a_mask_that_fills_the_frame_has_no_boundary():
    """The edge of the frame is not an edge of the object."""
    assert not mask_boundary(np.ones((4, 6), dtype=bool)).any()


@given(SIDES.flatmap(lambda shape: arrays(bool, shape)))
def test_boundary_by_walking(mask):
    """Shifting whole arrays marks what walking over pixels marks."""
    assert np.array_equal(mask_boundary(mask), boundary_by_neighbours(mask))


@given(PAIRS, TOLERANCES)
def test_boundary_f_by_brute_force(pair, tolerance):
    """The tree finds what an exhaustive search finds."""
    assert boundary_f(*pair, tolerance=tolerance) == pytest.approx(
        f_by_search(*pair, tolerance), abs=1e-12
    )


@pytest.mark.parametrize("tolerance", [0.0075, 0.008, 0.02])
def test_boundary_f_by_dilation(tolerance):
    """On large blobs the result is that of dilating with a disc of the same radius."""
    y, x = np.mgrid[:240, :320]
    mask = (y - 110) ** 2 + (x - 150) ** 2 < 70**2
    truth = ((y - 112) / 66) ** 2 + ((x - 155) / 75) ** 2 < 1
    value = boundary_f(mask, truth, tolerance=tolerance)
    assert value == pytest.approx(f_by_dilation(mask, truth, tolerance), abs=1e-12)
    assert 0.3 < value <= 1.0


@pytest.mark.parametrize(("shift", "expected"), [(2, 1.0), (3, 0.0)], ids=["at", "beyond"])
def test_the_radius_is_inclusive(shift, expected):
    """Two half planes whose edges are `shift` apart, with a radius of two pixels."""
    columns = np.broadcast_to(np.arange(100) < 50, (100, 100))
    shifted = np.broadcast_to(np.arange(100) < 50 + shift, (100, 100))
    assert math.ceil(0.01 * math.hypot(100, 100)) == 2
    assert boundary_f(columns, shifted, tolerance=0.01) == expected


def test_the_two_specs_differ_where_the_diagonal_decides():
    """Of a 400 px diagonal 0.0075 is 3 px, and 0.008, rounded up, 4 px."""
    edge = np.broadcast_to(np.arange(320) < 150, (240, 320))
    four_away = np.broadcast_to(np.arange(320) < 154, (240, 320))
    assert boundary_f(edge, four_away, tolerance=0.0075) == 0.0
    assert boundary_f(edge, four_away, tolerance=0.008) == 1.0


@given(PAIRS, TOLERANCES)
def test_boundary_f_is_symmetric_and_bounded(pair, tolerance):
    """Swapping mask and truth swaps precision and recall; a mask agrees with itself."""
    value = boundary_f(*pair, tolerance=tolerance)
    assert 0.0 <= value <= 1.0
    assert boundary_f(*reversed(pair), tolerance=tolerance) == pytest.approx(value)
    assert boundary_f(pair[0], pair[0], tolerance=tolerance) == 1.0


@given(PAIRS)
def test_a_wider_tolerance_never_lowers_f(pair):
    """F grows with the tolerance."""
    values = [boundary_f(*pair, tolerance=tolerance) for tolerance in (0.0, 0.05, 0.2, 0.7)]
    assert values == sorted(values)


def test_j_and_f_are_means_over_frames():
    """One frame right and one missed give halves, and J&F is their mean."""
    right, missed = square(20, 2, 2, 6), square(20, 13, 13, 6)
    measures = region_and_boundary([right, missed], [right, right], tolerance=0.01)
    assert (measures.j, measures.f, measures.j_and_f) == (0.5, 0.5, 0.5)


def test_a_track_of_another_length_is_refused():
    """Frames are never matched with the wrong truth."""
    frame = square(4, 0, 0, 2)
    with pytest.raises(ValueError, match="zip"):
        region_and_boundary([frame], [frame, frame], tolerance=0.01)
