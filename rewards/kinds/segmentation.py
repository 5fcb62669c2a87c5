"""Segmentation: does the guidance point a segmenter at the right object, at the right time?"""

from collections.abc import Iterable
from dataclasses import dataclass
from itertools import chain

from rewards.errors import BadTruth, MissingInput
from rewards.maths.boxes import box_iou
from rewards.maths.kernels import gaussian, laplace
from rewards.maths.points import mean_matched_distance
from rewards.score import Score
from rewards.specs import Spec
from rewards.text.answers import Box, Malformed, Point, Prompts, read_prompts
from rewards.text.numerals import are_usable, is_usable

NEEDS_MEDIA = "segmentation is scored by media_type: expected 'image' or 'video'"


@dataclass(frozen=True, slots=True)
class TruePrompts:
    """The true box, points on and off the object on the 0-1000 grid, and the keyframe's time."""

    box: Box
    positive: tuple[Point, ...]
    negative: tuple[Point, ...]
    keyframe_s: float | None


def read_image_truth(source: object) -> TruePrompts:
    """Read the true box and points; raise `BadTruth` when a part is missing or not finite.

    >>> read_image_truth('{"boxes": [0, 0, 9, 9], "positive_points": [], "negative_points": []}')
    Traceback (most recent call last):
    rewards.errors.BadTruth: expected "positive_points" and "negative_points" in the ground truth
    """
    prompts = read_prompts(source)
    if isinstance(prompts, Malformed):
        raise BadTruth(f"{prompts.why} as ground truth")
    if prompts.box is None:
        raise BadTruth('expected "boxes": [x1, y1, x2, y2] in the ground truth')
    if not prompts.positive or not prompts.negative:
        raise BadTruth('expected "positive_points" and "negative_points" in the ground truth')
    if not _finite(prompts):
        raise BadTruth("expected finite numbers in the ground truth")
    return TruePrompts(prompts.box, prompts.positive, prompts.negative, prompts.keyframe_s)


def read_video_truth(source: object) -> TruePrompts:
    """Read the true box, points and keyframe time; raise `BadTruth` when a part is missing."""
    truth = read_image_truth(source)
    if truth.keyframe_s is None or not is_usable(truth.keyframe_s):
        raise BadTruth('expected "time": finite seconds in the ground truth of a video')
    return truth


def check_points(truth: TruePrompts, spec: Spec) -> None:
    """Raise `BadTruth` for other numbers of true points than the spec counts on each side."""
    count = spec.points_per_side
    if count and not len(truth.positive) == len(truth.negative) == count:
        raise BadTruth(f"expected {count} points on each side of the ground truth")


def score_image(answer: Prompts | Malformed, truth: TruePrompts, spec: Spec) -> Score:
    """Score the weighted sum of box IoU and two point similarities. Source: paper eq. 7.

    Range: 0 to the sum of the weights, 1 released, 3 paper.
    """
    guidance = _guidance(answer, truth, spec)
    if isinstance(guidance, Score):
        return guidance
    value = (
        spec.image_box_weight * guidance.box_iou
        + spec.image_positive_weight * guidance.positive
        + spec.image_negative_weight * guidance.negative
    )
    return Score(value, parts=guidance.parts())


def score_video(answer: Prompts | Malformed, truth: TruePrompts, spec: Spec) -> Score:
    """Score as an image, plus how near the keyframe's time is. Source: paper eq. 8.

    The kernel of the time difference is Laplace in the released code, Gaussian in the paper.
    Range: 0 to the sum of the weights, 1 released, 4 paper.
    """
    guidance = _guidance(answer, truth, spec)
    if isinstance(guidance, Score):
        return guidance
    if isinstance(answer, Malformed) or answer.keyframe_s is None or truth.keyframe_s is None:
        return Score.miss('expected "time": seconds')
    if not is_usable(answer.keyframe_s):
        return Score.miss("the keyframe's time is not finite")
    kernel = laplace if spec.keyframe_kernel == "laplace" else gaussian
    time = kernel(answer.keyframe_s - truth.keyframe_s, spec.keyframe_scale_s)
    value = (
        spec.video_box_weight * guidance.box_iou
        + spec.video_time_weight * time
        + spec.video_positive_weight * guidance.positive
        + spec.video_negative_weight * guidance.negative
    )
    return Score(value, parts={**guidance.parts(), "time": time})


def score_without_media(answer: object, truth: object, spec: Spec) -> Score:  # noqa: ARG001 - one shape for all
    """Score 0, as the released code does when an item says neither image nor video.

    Raises `MissingInput` under a strict spec: what cannot be judged gets no number.
    """
    if spec.answers == "strict":
        raise MissingInput(NEEDS_MEDIA)
    return Score.miss(NEEDS_MEDIA)


@dataclass(frozen=True, slots=True)
class _Guidance:
    box_iou: float
    positive: float
    negative: float

    def parts(self) -> dict[str, float]:
        return {"box_iou": self.box_iou, "positive": self.positive, "negative": self.negative}


def _guidance(answer: Prompts | Malformed, truth: TruePrompts, spec: Spec) -> _Guidance | Score:
    if isinstance(answer, Malformed):
        return Score.miss(answer.why)
    count = spec.points_per_side
    for given in (answer.positive, answer.negative):
        if not given or (count and len(given) != count):
            return Score.miss(f"expected {count or 'some'} positive and negative points")
    if not _finite(answer):
        return Score.miss("a number is not finite")
    return _Guidance(
        box_iou(answer.box, truth.box) if answer.box else 0.0,
        _similarity(answer.positive, truth.positive, spec),
        _similarity(answer.negative, truth.negative, spec),
    )


def _similarity(
    points: tuple[Point, ...] | None, true_points: tuple[Point, ...], spec: Spec
) -> float:
    return gaussian(mean_matched_distance(points or (), true_points), spec.point_sigma)


def _finite(prompts: Prompts) -> bool:
    points: Iterable[Point] = chain(prompts.positive or (), prompts.negative or ())
    return are_usable(chain(prompts.box or (), *points))
