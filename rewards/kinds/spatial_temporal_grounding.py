"""Spatial-temporal grounding: when did it happen, and where in each of those frames?"""

from collections.abc import Mapping
from dataclasses import dataclass
from itertools import chain

from rewards.errors import BadTruth
from rewards.maths.boxes import box_iou
from rewards.maths.intervals import interval_iou
from rewards.score import Score
from rewards.specs import Spec
from rewards.text.answers import Box, Malformed, Span, Tube, read_tube
from rewards.text.numerals import are_usable

EXPECTED = 'expected a JSON object {"time": [start, end], "boxes": {frame: [x1, y1, x2, y2]}}'

Boxes = Mapping[str, Box | None]


@dataclass(frozen=True, slots=True)
class TrueTube:
    """The true stretch of time, in seconds, and the true box of each frame."""

    time: Span
    boxes: Mapping[str, Box]


def read_truth(source: object) -> TrueTube:
    """Read a time span and a box for each frame; raise `BadTruth` when either cannot be used.

    >>> read_truth('{"time": [5, 9], "boxes": {"5": [0, 0, 10, 10]}}').time
    (5.0, 9.0)
    """
    tube = read_tube(source)
    if isinstance(tube, Malformed) or tube.time is None or not tube.boxes:
        raise BadTruth(f"{EXPECTED} with at least one frame as ground truth")
    boxes = {frame: box for frame, box in tube.boxes.items() if box is not None}
    numbers = chain(tube.time, *boxes.values())
    if len(boxes) < len(tube.boxes) or not are_usable(numbers):
        raise BadTruth("expected four finite numbers for every frame, and finite times, as truth")
    return TrueTube(tube.time, boxes)


def score_spatial_temporal_grounding(
    answer: Tube | Malformed, truth: TrueTube, spec: Spec
) -> Score:
    """Score the weighted sum of temporal IoU and mean box IoU. Source: paper eq. 5.

    The mean runs over the frames both have (`spec.tube_frames == "common"`) or over the truth's
    (`"truth"`), where a missing frame counts 0; a frame whose box cannot be read counts 0. A
    part that is missing counts 0. Range: 0 to the sum of the weights, 1 released, 2 paper.

    >>> truth = read_truth('{"time": [0, 4], "boxes": {"1": [0, 0, 2, 2], "2": [0, 0, 2, 2]}}')
    >>> answer = read_tube('{"time": [0, 2], "boxes": {"1": [0, 0, 2, 2]}}')
    >>> score_spatial_temporal_grounding(answer, truth, Spec()).value
    0.75
    """
    boxes = {} if isinstance(answer, Malformed) else answer.boxes or {}
    read = [box for box in boxes.values() if box is not None]
    if isinstance(answer, Malformed) or not (answer.time or read):
        return Score.miss(EXPECTED)
    if not are_usable(chain(answer.time or (), *read)):
        return Score.miss("a number is not finite")
    time_iou = interval_iou(answer.time, truth.time) if answer.time else 0.0
    mean_iou = _mean_iou(boxes, truth.boxes, over_truth=spec.tube_frames == "truth")
    return Score(
        spec.tube_time_weight * time_iou + spec.tube_boxes_weight * mean_iou,
        parts={"time_iou": time_iou, "mean_iou": mean_iou},
    )


def _mean_iou(boxes: Boxes, true_boxes: Mapping[str, Box], *, over_truth: bool) -> float:
    common = [(box, true_boxes[frame]) for frame, box in boxes.items() if frame in true_boxes]
    frames = len(true_boxes) if over_truth else len(common)
    total = sum(box_iou(box, true_box) for box, true_box in common if box is not None)
    return total / frames if frames else 0.0
