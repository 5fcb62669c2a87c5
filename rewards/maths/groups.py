"""Means and deviations of a handful of rewards, the same to the last bit in any order."""

import math
from collections import defaultdict
from collections.abc import Iterable, Sequence
from operator import mul


def positions_by_label(labels: Iterable[str]) -> dict[str, list[int]]:
    """Return where each label stands, in the order of first sight.

    >>> positions_by_label(["p1", "p2", "p1"])
    {'p1': [0, 2], 'p2': [1]}
    """
    found: defaultdict[str, list[int]] = defaultdict(list)
    for position, label in enumerate(labels):
        found[label].append(position)
    return dict(found)


def exact_mean(values: Sequence[float]) -> float:
    """Return the mean of at least one value, independent of their order.

    `math.fsum` rounds only once. A mean that the division rounds out of the range of its values
    is put back, so the mean of equal values is that value.

    >>> exact_mean([0.1] * 3) == 0.1
    True
    """
    mean = math.fsum(values) / len(values)
    return min(max(mean, min(values)), max(values))


def sum_of_squares(values: Sequence[float]) -> float:
    """Return the exactly rounded sum of the squares of `values`."""
    return math.fsum(map(mul, values, values))


def population_std(centred: Sequence[float]) -> float:
    """Return the standard deviation of values whose mean is already taken off, over n."""
    return math.sqrt(sum_of_squares(centred) / len(centred))


def sample_std(centred: Sequence[float]) -> float:
    """Return the standard deviation of two or more centred values, over n - 1.

    >>> sample_std([-1.0, 1.0])
    1.4142135623730951
    """
    return math.sqrt(sum_of_squares(centred) / (len(centred) - 1))
