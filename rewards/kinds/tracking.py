"""Tracking: where is it in every frame?"""

from collections.abc import Mapping
from itertools import chain

from rewards.errors import BadTruth
from rewards.maths.boxes import box_iou
from rewards.score import Score
from rewards.specs import Spec
from rewards.text.answers import Box, Malformed, Tube, read_tube
from rewards.text.numerals import are_usable

EXPECTED = 'expected a JSON object {"boxes": {frame: [x1, y1, x2, y2]}}'

Track = Mapping[str, Box]


def read_truth(source: object) -> Track:
    """Read a box for each frame; raise `BadTruth` when there is none or one cannot be read.

    >>> read_truth('{"boxes": {"1": [0, 0, 10, 10]}}')
    {'1': (0.0, 0.0, 10.0, 10.0)}
    """
    tube = read_tube(source)
    if isinstance(tube, Malformed) or not tube.boxes:
        raise BadTruth(f"{EXPECTED} with at least one frame as ground truth")
    track = {frame: box for frame, box in tube.boxes.items() if box is not None}
    if len(track) < len(tube.boxes) or not are_usable(chain(*track.values())):
        raise BadTruth("expected four finite numbers for every frame of the ground truth")
    return track


def score_tracking(answer: Tube | Malformed, truth: Track, spec: Spec) -> Score:  # noqa: ARG001 - one shape for all
    """Score the mean box IoU over the truth's frames, in [0, 1]; a missing frame counts 0.

    Source: paper eq. 6.

    >>> score_tracking(read_tube('{"boxes": {"1": [0, 0, 2, 2]}}'),
    ...     {"1": (0.0, 0.0, 2.0, 2.0), "2": (0.0, 0.0, 2.0, 2.0)}, Spec()).value
    0.5
    """
    if isinstance(answer, Malformed) or not any((answer.boxes or {}).values()):
        return Score.miss(EXPECTED)
    boxes = answer.boxes or {}
    if not are_usable(chain(*(box for box in boxes.values() if box))):
        return Score.miss("a corner is not finite")
    pairs = ((boxes.get(frame), box) for frame, box in truth.items())
    total = sum(box_iou(told, true) for told, true in pairs if told)
    mean_iou = total / len(truth)
    return Score(mean_iou, parts={"mean_iou": mean_iou, "frames": float(len(truth))})
