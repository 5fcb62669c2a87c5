"""The structure reward: is the answer written in the shape its kind asks for?

One row for each shape: how it is read, what the released structure reward gives it, and
whether it fits the schema that the paper's format reward asks for.
"""

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from itertools import chain
from typing import Any

from rewards.text.answers import (
    Malformed,
    Prompts,
    Tube,
    read_box,
    read_prompts,
    read_span,
    read_tube,
)
from rewards.text.numerals import are_usable, is_usable

WHOLE, PART = 0.5, 0.25
POINTS = 3


@dataclass(frozen=True, slots=True)
class Shape:
    """How answers of a kind are written.

    `read(text, strict)` never raises; `reward(answer, frames)` is the released structure reward
    in [0, 0.5], `frames` being the truth's frame keys; `fits(answer)` is the paper's schema.
    """

    name: str
    example: str
    read: Callable[[str, bool], Any]
    reward: Callable[[Any, Iterable[str]], float]
    fits: Callable[[Any], bool]


def _as_it_is(text: str, strict: bool) -> str:  # noqa: ARG001, FBT001 - one shape for all
    return text


def _always_whole(answer: Any, frames: Iterable[str]) -> float:  # noqa: ARG001 - one shape for all
    return WHOLE


def _always_fits(answer: Any) -> bool:  # noqa: ARG001 - one shape for all
    return True


def _whole(fits: Callable[[Any], bool]) -> Callable[[Any, Iterable[str]], float]:
    return lambda answer, frames: WHOLE if fits(answer) else 0.0  # noqa: ARG005 - one shape


def _is_read(answer: Any) -> bool:
    return not isinstance(answer, Malformed)


def _has_boxes(answer: Any) -> bool:
    # An empty mapping passes here: the hole that the released reward has and the paper's has not.
    return (
        isinstance(answer, Tube) and answer.boxes is not None and None not in answer.boxes.values()
    )


def _share_of_frames(answer: Any, frames: Iterable[str]) -> float:
    if not isinstance(answer, Tube) or answer.boxes is None:
        return 0.0
    keys = list(frames)
    return PART * sum(map(answer.boxes.__contains__, keys)) / len(keys) if keys else 0.0


def _track_reward(answer: Any, frames: Iterable[str]) -> float:
    return (PART if _has_boxes(answer) else 0.0) + _share_of_frames(answer, frames)


def _tube_reward(answer: Any, frames: Iterable[str]) -> float:
    whole = _has_boxes(answer) and answer.has_pair
    return (PART if whole else 0.0) + _share_of_frames(answer, frames)


def _is_finite(answer: Any) -> bool:
    return _is_read(answer) and are_usable(answer)


def _fits_track(answer: Any) -> bool:
    return bool(_has_boxes(answer) and answer.boxes) and are_usable(chain(*answer.boxes.values()))


def _fits_tube(answer: Any) -> bool:
    return _fits_track(answer) and answer.time is not None and are_usable(answer.time)


def _guides_image(answer: Any) -> bool:
    if not isinstance(answer, Prompts) or answer.box is None:
        return False
    return all(p is not None and len(p) == POINTS for p in (answer.positive, answer.negative))


def _guides_video(answer: Any) -> bool:
    return _guides_image(answer) and answer.keyframe_s is not None


def _prompts_image(answer: Any) -> bool:
    if not isinstance(answer, Prompts):
        return False
    return None not in (answer.box, answer.positive, answer.negative)


def _prompts_clip(answer: Any) -> bool:
    return _prompts_image(answer) and answer.keyframe_s is not None


def _finite_image(answer: Any) -> bool:
    return are_usable(chain(answer.box, *answer.positive, *answer.negative))


def _finite_video(answer: Any) -> bool:
    return _finite_image(answer) and is_usable(answer.keyframe_s)


GUIDANCE = (
    '"boxes": [x1, y1, x2, y2], "positive_points": [[x, y], …], "negative_points": [[x, y], …]'
)

TEXT = Shape("text", "B", _as_it_is, _always_whole, _always_fits)
SPAN = Shape(
    "span",
    '{"time": [start, end]}',
    lambda text, strict: read_span(text, strict=strict),
    _whole(_is_read),
    _is_finite,
)
BOX = Shape(
    "box",
    '{"boxes": [x1, y1, x2, y2]}',
    lambda text, strict: read_box(text, strict=strict),
    _whole(_is_read),
    _is_finite,
)
TUBE = Shape(
    "tube",
    '{"time": [start, end], "boxes": {"frame": [x1, y1, x2, y2], …}}',
    lambda text, strict: read_tube(text, strict=strict),
    _tube_reward,
    _fits_tube,
)
TRACK = Shape(
    "track",
    '{"boxes": {"frame": [x1, y1, x2, y2], …}}',
    lambda text, strict: read_tube(text, strict=strict),
    _track_reward,
    _fits_track,
)
IMAGE_PROMPTS = Shape(
    "image prompts",
    f"{{{GUIDANCE}}}",
    lambda text, strict: read_prompts(text, strict=strict),
    _whole(_guides_image),
    lambda answer: _guides_image(answer) and _finite_image(answer),
)
VIDEO_PROMPTS = Shape(
    "video prompts",
    f'{{"time": seconds, {GUIDANCE}}}',
    lambda text, strict: read_prompts(text, strict=strict),
    _whole(_guides_video),
    lambda answer: _guides_video(answer) and _finite_video(answer),
)
IMAGE_PROMPT = Shape(
    "image prompt, any number of points",
    IMAGE_PROMPTS.example,
    IMAGE_PROMPTS.read,
    _whole(_prompts_image),
    lambda answer: _prompts_image(answer) and _finite_image(answer),
)
CLIP_PROMPT = Shape(
    "video prompt, any number of points",
    VIDEO_PROMPTS.example,
    VIDEO_PROMPTS.read,
    _whole(_prompts_clip),
    lambda answer: _prompts_clip(answer) and _finite_video(answer),
)
NO_PROMPTS = Shape(
    "prompts of unknown media",
    IMAGE_PROMPTS.example,
    IMAGE_PROMPTS.read,
    lambda answer, frames: 0.0,  # noqa: ARG005 - one shape
    _guides_image,
)
