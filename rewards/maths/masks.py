"""Masks compared: region overlap (IoU, J) and boundary agreement (F)."""

import math
from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.spatial import KDTree

Mask = NDArray[np.bool_]
PixelList = NDArray[np.intp]


@dataclass(frozen=True, slots=True)
class Overlap:
    """What two masks of one size share, in pixels."""

    intersection_px: int
    union_px: int

    @property
    def iou(self) -> float:
        """Intersection over union, in [0, 1]; two empty masks agree: 1."""
        return self.intersection_px / self.union_px if self.union_px else 1.0


@dataclass(frozen=True, slots=True)
class RegionAndBoundary:
    """The two measures of a tracked object, each a mean over frames."""

    j: float
    f: float

    @property
    def j_and_f(self) -> float:
        """J&F, the mean of the two."""
        return (self.j + self.f) / 2


def mask_overlap(mask: Mask, truth: Mask) -> Overlap:
    """Count the pixels in both masks and in either; both have shape `(height, width)`.

    >>> mask_overlap(np.array([[True, True]]), np.array([[True, False]])).iou
    0.5
    """
    intersection = int(np.count_nonzero(mask & truth))
    union = int(np.count_nonzero(mask)) + int(np.count_nonzero(truth)) - intersection
    return Overlap(intersection, union)


def cumulative_iou(overlaps: Iterable[Overlap]) -> float:
    """Return cIoU: the sum of intersections over the sum of unions of a data set.

    Large objects weigh more. Nothing to compare counts as 0.

    >>> cumulative_iou([Overlap(1, 2), Overlap(90, 98)])
    0.91
    """
    pairs = [(overlap.intersection_px, overlap.union_px) for overlap in overlaps]
    union = sum(u for _, u in pairs)
    return sum(i for i, _ in pairs) / union if union else 0.0


def mean_iou(overlaps: Iterable[Overlap]) -> float:
    """Return gIoU: the mean of the IoU of each image. Nothing to compare counts as 0.

    >>> mean_iou([Overlap(1, 2), Overlap(98, 98)])
    0.75
    """
    values = [overlap.iou for overlap in overlaps]
    return sum(values) / len(values) if values else 0.0


def mask_boundary(mask: Mask) -> Mask:
    """Mark the pixels that differ from their east, south or south-east neighbour.

    The last row is compared eastwards only and the last column southwards only, as in the
    DAVIS evaluation; the frame's edge is no boundary.
    """
    padded = np.pad(mask, ((0, 1), (0, 1)), mode="edge")
    return (mask ^ padded[:-1, 1:]) | (mask ^ padded[1:, :-1]) | (mask ^ padded[1:, 1:])


def boundary_f(mask: Mask, truth: Mask, *, tolerance: float) -> float:
    """Return the F measure of two boundaries, in [0, 1].

    Precision is the share of the mask's boundary within a radius of the truth's, recall the
    reverse; `tolerance` is that radius as a share of the diagonal, rounded up to whole pixels.
    A boundary missing on one side only gives 0, on both sides 1.
    Source: Perazzi et al., DAVIS (CVPR 2016), and its evaluation code.
    """
    radius_px = math.ceil(tolerance * math.hypot(*mask.shape))
    drawn = np.argwhere(mask_boundary(mask))
    true = np.argwhere(mask_boundary(truth))
    if not len(drawn) or not len(true):
        return float(len(drawn) == len(true))
    precision = _share_near(drawn, true, radius_px)
    recall = _share_near(true, drawn, radius_px)
    total = precision + recall
    return 2 * precision * recall / total if total else 0.0


def region_and_boundary(
    masks: Iterable[Mask], truths: Iterable[Mask], *, tolerance: float
) -> RegionAndBoundary:
    """Return J and F of a track over the annotated frames; raises if the lengths differ."""
    pairs = list(zip(masks, truths, strict=True))
    regions = [mask_overlap(mask, truth).iou for mask, truth in pairs]
    boundaries = [boundary_f(mask, truth, tolerance=tolerance) for mask, truth in pairs]
    return RegionAndBoundary(sum(regions) / len(pairs), sum(boundaries) / len(pairs))


def _share_near(pixels: PixelList, others: PixelList, radius_px: int) -> float:
    # Squared distances are whole, so the half keeps those at the radius and no further one.
    within = math.sqrt(radius_px**2 + 0.5)
    distances, _ = KDTree(others).query(pixels, distance_upper_bound=within)
    return int(np.count_nonzero(np.isfinite(distances))) / len(pixels)
