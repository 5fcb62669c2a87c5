"""Kernels that turn a distance into a similarity in (0, 1]."""

import math


def gaussian(distance: float, sigma: float) -> float:
    """Return `exp(-d^2 / (2 sigma^2))`. Source: paper eq. 7.

    >>> gaussian(0.0, 50.0), round(gaussian(50.0, 50.0), 6)
    (1.0, 0.606531)
    """
    return math.exp(-(distance * distance) / (2.0 * sigma * sigma))


def laplace(distance: float, scale: float) -> float:
    """Return `exp(-|d| / scale)`, which the released code uses where the paper has a Gaussian.

    >>> laplace(0.0, 2.0), round(laplace(-2.0, 2.0), 6)
    (1.0, 0.367879)
    """
    return math.exp(-abs(distance) / scale)
