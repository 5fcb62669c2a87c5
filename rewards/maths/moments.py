"""A moving average of mean and variance, one batch at a time.

The paper keeps the moving averages of R and R² and subtracts the square of the first from the
second. That loses every digit of the variance once the rewards are large and close together
(1e8 and 1e8 + 1), and can go below zero. The same two sequences follow exactly from the mean
and the variance themselves, which is what is kept here: with a batch of mean b and variance v,

    variance <- β variance + (1 - β) v + β (1 - β) (b - mean)²
    mean     <- mean + (1 - β) (b - mean)
"""

import math
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class BatchMoments:
    """How many rewards a batch holds, their mean, and their variance over n."""

    count: int
    mean: float
    variance: float


@dataclass(frozen=True, slots=True)
class Moments:
    """The moving mean and variance of one task, and how many batches are in them."""

    mean: float
    variance: float
    updates: int

    @property
    def mean_square(self) -> float:
        """The moving average of R², the m2 of the paper.

        >>> Moments(3.0, 4.0, updates=1).mean_square
        13.0
        """
        return self.variance + self.mean * self.mean

    def std(self, floor: float) -> float:
        """Return sigma = max(sqrt(variance), floor), equation 10.

        >>> Moments(0.5, 0.0, updates=7).std(floor=1e-3)
        0.001
        """
        return max(math.sqrt(self.variance), floor)


def fold(before: Moments | None, batch: BatchMoments, decay: float) -> Moments:
    """Return the moments after `batch`, equation 9; a first batch sets them.

    >>> fold(None, BatchMoments(4, 0.5, 0.25), decay=0.99)
    Moments(mean=0.5, variance=0.25, updates=1)
    >>> fold(Moments(0.0, 1.0, updates=1), BatchMoments(4, 1.0, 0.0), decay=0.5)
    Moments(mean=0.5, variance=0.75, updates=2)
    """
    if before is None:
        return Moments(batch.mean, batch.variance, updates=1)
    fresh = 1.0 - decay
    step = batch.mean - before.mean
    variance = decay * before.variance + fresh * batch.variance + decay * fresh * step * step
    return Moments(before.mean + fresh * step, variance, before.updates + 1)
