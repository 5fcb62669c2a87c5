"""Axis-aligned boxes `(x1, y1, x2, y2)`."""

Box = tuple[float, float, float, float]

EMPTY_UNION = 1e-12


def box_iou(a: Box, b: Box) -> float:
    """Return the intersection over union of two boxes, in [0, 1].

    A box whose corners are swapped or equal has area 0; a union of at most 1e-12 scores 0.
    Source: paper eq. 4.

    >>> box_iou((0, 0, 10, 10), (5, 0, 15, 10))
    0.3333333333333333
    >>> box_iou((10, 10, 0, 0), (0, 0, 10, 10))
    0.0
    """
    ax1, ay1, ax2, ay2 = a
    bx1, by1, bx2, by2 = b
    width = (ax2 if ax2 < bx2 else bx2) - (ax1 if ax1 > bx1 else bx1)  # noqa: FURB136 - min and max take 3x as long
    height = (ay2 if ay2 < by2 else by2) - (ay1 if ay1 > by1 else by1)  # noqa: FURB136 - min and max take 3x as long
    overlap = width * height if width > 0.0 and height > 0.0 else 0.0
    union = box_area(a) + box_area(b) - overlap
    return overlap / union if union > EMPTY_UNION else 0.0


def box_area(box: Box) -> float:
    """Return the area of a box; 0 when its corners are swapped.

    >>> box_area((0, 0, 4, 5)), box_area((4, 5, 0, 0))
    (20, 0.0)
    """
    x1, y1, x2, y2 = box
    width, height = x2 - x1, y2 - y1
    return width * height if width > 0.0 and height > 0.0 else 0.0
