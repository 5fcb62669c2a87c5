"""Closed intervals on the real line."""

Interval = tuple[float, float]

EMPTY_HULL = 1e-12


def interval_iou(a: Interval, b: Interval) -> float:
    """Return overlap over hull, `tIoU`, in [0, 1]; 0 when the hull is shorter than 1e-12.

    The hull runs from the earlier start to the later end, so disjoint intervals score 0 and a
    reversed interval overlaps nothing. Source: paper eq. 3.

    >>> interval_iou((0, 4), (2, 6))
    0.3333333333333333
    >>> interval_iou((4, 0), (0, 4))
    0.0
    """
    overlap = max(0.0, min(a[1], b[1]) - max(a[0], b[0]))
    hull = max(a[1], b[1]) - min(a[0], b[0])
    return overlap / hull if hull > EMPTY_HULL else 0.0
