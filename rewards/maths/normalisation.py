"""From the raw scores of one group to accuracies, by a named rule."""

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

# The released reward code adds these, to the deviation and to the span.
STD_EPSILON = 1e-6
SPAN_EPSILON = 1e-12


@dataclass(frozen=True, slots=True)
class Normalisation:
    """A rule, and whether it places the members of a group relative to one another."""

    name: str
    apply: Callable[[Sequence[float]], list[float]]
    relative: bool


def sigmoid(scores: Sequence[float]) -> list[float]:
    """Squash each score to (0, 1) by `1 / (1 + exp(-score))`.

    >>> sigmoid([0.0, -1000.0])
    [0.5, 0.0]
    """
    return [_logistic(score) for score in scores]


def _logistic(score: float) -> float:
    # exp of a large positive number overflows; of a large negative one it is 0.
    if score >= 0:
        return 1.0 / (1.0 + math.exp(-score))
    return math.exp(score) / (1.0 + math.exp(score))


def group_minmax(scores: Sequence[float]) -> list[float]:
    """Map the scores of a group to [0, 1]: z-scores, then min-max; equal scores become all 1.

    As in the released reward code, with its epsilons.

    >>> [round(score, 6) for score in group_minmax([-11.0, -1.0, -6.0])]
    [0.0, 1.0, 0.5]
    >>> group_minmax([-3.0, -3.0])
    [1.0, 1.0]
    """
    if not scores:
        return []
    raw = np.asarray(scores, dtype=np.float64)
    standard = (raw - raw.mean()) / (raw.std() + STD_EPSILON)
    span = standard.max() - standard.min()
    if span <= SPAN_EPSILON:
        return [1.0] * len(scores)
    placed: list[float] = ((standard - standard.min()) / (span + SPAN_EPSILON)).tolist()
    return placed


NORMALISATIONS: Mapping[str, Normalisation] = {
    rule.name: rule
    for rule in (
        Normalisation("raw", list, relative=False),
        Normalisation("sigmoid", sigmoid, relative=False),
        Normalisation("group_minmax", group_minmax, relative=True),
    )
}


def normalise(scores: Sequence[float | None], name: str) -> list[float | None]:
    """Apply the rule called `name` to one group; None stands for a member without a score.

    A relative rule needs the whole group: placed without its missing members, the others would
    change their values when those are scored later. So there it is all or none.

    >>> normalise([0.0, None], "sigmoid")
    [0.5, None]
    >>> normalise([0.0, None], "group_minmax")
    [None, None]
    """
    rule = NORMALISATIONS[name]
    present = [score for score in scores if score is not None]
    if rule.relative and len(present) < len(scores):
        return [None] * len(scores)
    placed = iter(rule.apply(present))
    return [None if score is None else next(placed) for score in scores]
