"""Spatial grounding: where is it?"""

from rewards.errors import BadTruth
from rewards.maths.boxes import box_iou
from rewards.score import Score
from rewards.specs import Spec
from rewards.text.answers import Box, Malformed, read_box
from rewards.text.numerals import are_usable


def read_truth(source: object) -> Box:
    """Read `{"boxes": [x1, y1, x2, y2]}`; raise `BadTruth` when it is something else.

    >>> read_truth('{"boxes": [0, 0, 10, 10]}')
    (0.0, 0.0, 10.0, 10.0)
    """
    box = read_box(source)
    if isinstance(box, Malformed):
        raise BadTruth(f"{box.why} as ground truth")
    if not are_usable(box):
        raise BadTruth("expected finite corners as ground truth")
    return box


def score_spatial_grounding(answer: Box | Malformed, truth: Box, spec: Spec) -> Score:  # noqa: ARG001 - one shape for all
    """Score by box IoU, in [0, 1]. Source: paper eq. 4.

    >>> score_spatial_grounding((5.0, 0.0, 15.0, 10.0), (0.0, 0.0, 10.0, 10.0), Spec()).value
    0.3333333333333333
    """
    if isinstance(answer, Malformed):
        return Score.miss(answer.why)
    if not are_usable(answer):
        return Score.miss("a corner is not finite")
    return Score(box_iou(answer, truth))
