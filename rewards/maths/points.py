"""Matching predicted points with true ones."""

import math
from collections.abc import Sequence
from itertools import permutations
from operator import getitem

Point = tuple[float, float]

FEW = 3
ORDERS = tuple(tuple(permutations(range(count))) for count in range(FEW + 1))


def mean_matched_distance(predicted: Sequence[Point], true: Sequence[Point]) -> float:
    """Return the mean distance of the pairing whose summed distance is least.

    With unequal counts the smaller side is matched whole and the rest is left over; raises
    `ValueError` when either side is empty. Units are those of the points. Source: paper eq. 7.

    >>> mean_matched_distance([(0, 0), (10, 0)], [(10, 0), (0, 3)])
    1.5
    """
    if not predicted or not true:
        raise ValueError(f"expected points on both sides, got {len(predicted)} and {len(true)}")
    pairs = min(len(predicted), len(true))
    if len(predicted) == len(true) <= FEW:
        return _least_sum_of_few(predicted, true) / pairs
    return _least_sum(predicted, true) / pairs


def _least_sum_of_few(predicted: Sequence[Point], true: Sequence[Point]) -> float:
    # Six orders at most: a table of distances beats building a matrix for the solver.
    distances = [[math.dist(p, t) for p in predicted] for t in true]
    return min([sum(map(getitem, distances, order)) for order in ORDERS[len(true)]])


def _least_sum(predicted: Sequence[Point], true: Sequence[Point]) -> float:
    import numpy as np
    from scipy.optimize import linear_sum_assignment

    offsets = np.asarray(predicted, dtype=float)[:, None] - np.asarray(true, dtype=float)[None]
    distances = np.hypot(offsets[..., 0], offsets[..., 1])
    rows, columns = linear_sum_assignment(distances)
    return math.fsum(distances[rows, columns])
