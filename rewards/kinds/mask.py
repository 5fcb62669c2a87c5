"""Masks: does a segmenter, guided by the answer, draw the true object?

The answer is read into a prompt, a mask model draws, and the drawing is compared with the
truth; the middle step is the engine's.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from itertools import chain
from typing import Any

from msgspec.structs import replace

from rewards.errors import BadTruth, MissingInput, NoModel
from rewards.maths.masks import mask_overlap, region_and_boundary
from rewards.ports import MaskPrompt, Point, Segmented
from rewards.score import Score
from rewards.specs import Spec
from rewards.text.answers import Malformed, Prompts
from rewards.text.masks import FrameMask, RunLengths, read_frame_masks, read_mask
from rewards.text.numerals import are_usable, is_usable

GRID = 1000.0
MOST_POINTS = 256
STILL_INTERVAL_S = 1.0
NEAREST_SHARE, NEAREST_S = 0.25, 0.1

Times = Sequence[float]
Truths = Mapping[int, RunLengths]


@dataclass(frozen=True, slots=True)
class MaskRule:
    """How a mask kind asks the model, and how it judges what the model drew.

    `prompt(answer, times_s)` gives a prompt, or the score of an answer that cannot guide;
    `truths(source, times_s)` reads the true masks by frame index, or raises `BadTruth`;
    `judge(drawn, truths, spec)` compares, frame by frame in ascending order;
    `miss(score, truths)` adds to a score of 0 what sums over a data set need.
    """

    prompt: Callable[[Any, Times], MaskPrompt | Score]
    truths: Callable[[Any, Times], Truths]
    judge: Callable[[Segmented, Truths, Spec], Score]
    miss: Callable[[Score, Truths], Score]


def prompt_image(answer: Prompts | Malformed, times_s: Times = (0.0,)) -> MaskPrompt | Score:  # noqa: ARG001 - one shape for both
    """Turn an answer into a prompt, held to the grid; a reason to miss where it cannot be one.

    >>> prompt_image(Prompts((0.0, 9.0, 1200.0, 50.0), ((5.0, 5.0),), (), None)).box
    (0.0, 9.0, 1000.0, 50.0)
    """
    if isinstance(answer, Malformed):
        return Score.miss(answer.why)
    box, positive, negative = answer.box, answer.positive, answer.negative
    if box is None:
        return Score.miss('expected "boxes": [x1, y1, x2, y2]')
    if positive is None or negative is None or len(positive + negative) > MOST_POINTS:
        return Score.miss(
            f'expected "positive_points" and "negative_points": [[x, y], …], at most {MOST_POINTS}'
        )
    if not are_usable(chain(box, *positive, *negative)):
        return Score.miss("a number is not finite")
    x1, y1, x2, y2 = map(_on_grid, box)
    return MaskPrompt((x1, y1, x2, y2), _held(positive), _held(negative))


def prompt_clip(answer: Prompts | Malformed, times_s: Times) -> MaskPrompt | Score:
    """Turn an answer into a prompt at the sampled frame nearest to its keyframe's time."""
    prompt = prompt_image(answer)
    if isinstance(prompt, Score) or isinstance(answer, Malformed):
        return prompt
    keyframe_s = answer.keyframe_s
    if keyframe_s is None or not is_usable(keyframe_s):
        return Score.miss('expected "time": finite seconds')
    end_s = times_s[-1] + _interval_s(times_s)
    if not 0.0 <= keyframe_s <= end_s:
        return Score.miss(f"expected a keyframe from 0 to {end_s:g} s; got {keyframe_s:g} s")
    nearest = _nearest(keyframe_s, times_s)
    return MaskPrompt(prompt.box, prompt.positive, prompt.negative, nearest)


def image_truth(source: object, times_s: Times = (0.0,)) -> Truths:  # noqa: ARG001 - one shape for both
    """Read the true mask of the one frame an image has; raises `BadTruth`."""
    return {0: read_mask(source)}


def clip_truths(source: object, times_s: Times) -> Truths:
    """Read true masks by the index of the sampled frame they belong to, ascending.

    Raises `BadTruth` where a mask has no frame of its own: a time must meet a sampled frame
    within a quarter of the sampling interval, 0.1 s at the most.
    """
    masks: dict[int, RunLengths] = {}
    for frame in read_frame_masks(source):
        index = _index(frame, times_s)
        if index in masks:
            raise BadTruth(f"expected one mask a frame; got two at {times_s[index]:g} s")
        masks[index] = frame.mask
    return dict(sorted(masks.items()))


def judge_image(drawn: Segmented, truths: Truths, spec: Spec) -> Score:  # noqa: ARG001 - one shape for both
    """Score the IoU of the drawn and the true mask, with the pixel counts that cIoU adds up."""
    overlap = mask_overlap(drawn.masks[0], truths[0].bitmap())
    return Score(
        overlap.iou,
        parts={
            "iou": overlap.iou,
            "intersection_px": overlap.intersection_px,
            "union_px": overlap.union_px,
            "predicted_iou": drawn.predicted_iou,
        },
    )


def miss_image(score: Score, truths: Truths) -> Score:
    """Count the object's pixels against an answer that drew none."""
    area_px = truths[0].area_px
    return replace(score, parts={"iou": 0.0, "intersection_px": 0, "union_px": area_px})


def judge_clip(drawn: Segmented, truths: Truths, spec: Spec) -> Score:
    """Score J&F over the annotated frames. Source: the DAVIS benchmark."""
    measures = region_and_boundary(
        drawn.masks,
        (truth.bitmap() for truth in truths.values()),
        tolerance=spec.boundary_tolerance,
    )
    return Score(
        measures.j_and_f,
        parts={
            "j": measures.j,
            "f": measures.f,
            "frames": len(truths),
            "predicted_iou": drawn.predicted_iou,
        },
    )


def miss_clip(score: Score, truths: Truths) -> Score:
    """Count every annotated frame as missed."""
    return replace(score, parts={"j": 0.0, "f": 0.0, "frames": len(truths)})


def score_without_model(answer: object, truth: object, spec: Spec) -> Score:  # noqa: ARG001 - one shape for all
    """Refuse: without a mask model there is nothing to compare the truth with."""
    raise NoModel("a mask is scored by a mask model, and none is configured")


def score_without_media(answer: object, truth: object, spec: Spec) -> Score:  # noqa: ARG001 - one shape for all
    """Refuse: an image and a clip are judged differently."""
    raise MissingInput("a mask is scored by media_type: expected 'image' or 'video'")


ON_IMAGE = MaskRule(prompt_image, image_truth, judge_image, miss_image)
ON_CLIP = MaskRule(prompt_clip, clip_truths, judge_clip, miss_clip)


def _on_grid(value: float) -> float:
    return min(max(value, 0.0), GRID)


def _held(points: tuple[Point, ...]) -> tuple[Point, ...]:
    return tuple((_on_grid(x), _on_grid(y)) for x, y in points)


def _interval_s(times_s: Times) -> float:
    return times_s[-1] - times_s[-2] if len(times_s) > 1 else STILL_INTERVAL_S


def _nearest(time_s: float, times_s: Times) -> int:
    return min(range(len(times_s)), key=lambda index: abs(times_s[index] - time_s))


def _index(frame: FrameMask, times_s: Times) -> int:
    if frame.time_s is None:
        if frame.index is None or frame.index >= len(times_s):
            raise BadTruth(f"expected masks of {len(times_s)} frames; got one at {frame.index}")
        return frame.index
    nearest = _nearest(frame.time_s, times_s)
    apart_s = abs(times_s[nearest] - frame.time_s)
    if apart_s > min(NEAREST_SHARE * _interval_s(times_s), NEAREST_S):
        raise BadTruth(
            f"no sampled frame at {frame.time_s:g} s; the nearest stands at {times_s[nearest]:g} s"
        )
    return nearest
