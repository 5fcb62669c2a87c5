"""Temporal grounding: when did it happen?"""

from rewards.errors import BadTruth
from rewards.maths.intervals import interval_iou
from rewards.score import Score
from rewards.specs import Spec
from rewards.text.answers import Malformed, Span, read_span
from rewards.text.numerals import are_usable


def read_truth(source: object) -> Span:
    """Read `{"time": [start, end]}`; raise `BadTruth` when it is something else.

    >>> read_truth('{"time": [3, 5]}')
    (3.0, 5.0)
    """
    span = read_span(source)
    if isinstance(span, Malformed):
        raise BadTruth(f"{span.why} as ground truth")
    if not are_usable(span):
        raise BadTruth("expected finite times as ground truth")
    return span


def score_temporal_grounding(answer: Span | Malformed, truth: Span, spec: Spec) -> Score:  # noqa: ARG001 - one shape for all
    """Score by temporal IoU, in [0, 1]. Source: paper eq. 3.

    >>> score_temporal_grounding((0.0, 4.0), (2.0, 6.0), Spec()).value
    0.3333333333333333
    """
    if isinstance(answer, Malformed):
        return Score.miss(answer.why)
    if not are_usable(answer):
        return Score.miss("a time is not finite")
    return Score(interval_iou(answer, truth))
