"""Answers and truths written as JSON, read into typed values.

The lenient reading takes for a number whatever Python's `float` takes, numeric strings and
booleans too, as the released code does; the strict reading takes JSON numbers only. Numbers
that are not finite are read as they stand: the kinds decide what they are worth.

A text that is just what was asked for, JSON numbers under the expected names, means the same in
both readings and is decoded at once by its type; every other text is read part by part.
"""

import json
import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, TypeVar

from msgspec import DecodeError, Struct
from msgspec.json import Decoder

Span = tuple[float, float]
Box = tuple[float, float, float, float]
Point = tuple[float, float]
Number = Callable[[Any], float | None]

SPAN, BOX, POINT = 2, 4, 2


@dataclass(frozen=True, slots=True)
class Malformed:
    """Why a text could not be read at all."""

    why: str


@dataclass(frozen=True, slots=True)
class Tube:
    """A stretch of time and a box for each of some frames; a part that cannot be read is None.

    `has_pair` tells that `time` is a list of any two values, which the released structure
    reward asks for. A frame whose box cannot be read maps to None.
    """

    time: Span | None
    has_pair: bool
    boxes: Mapping[str, Box | None] | None


@dataclass(frozen=True, slots=True)
class Prompts:
    """What guides a segmenter: a box, points on and off the object, and a keyframe in seconds.

    A part that cannot be read is None.
    """

    box: Box | None
    positive: tuple[Point, ...] | None
    negative: tuple[Point, ...] | None
    keyframe_s: float | None


class _Exact(Struct, forbid_unknown_fields=True):
    """A text that holds what was asked for and nothing else."""


class _ExactSpan(_Exact):
    time: Span


class _ExactBox(_Exact):
    boxes: Box


class _ExactTube(_Exact):
    boxes: dict[str, Box]
    time: Span | None = None


class _ExactPrompts(_Exact):
    boxes: Box
    positive_points: tuple[Point, ...]
    negative_points: tuple[Point, ...]
    time: float | None = None


_SPAN, _BOX = Decoder(_ExactSpan), Decoder(_ExactBox)
_TUBE, _PROMPTS = Decoder(_ExactTube), Decoder(_ExactPrompts)
Exact = TypeVar("Exact", bound=_Exact)


def _decode(decoder: Decoder[Exact], source: object) -> Exact | None:
    if type(source) is not str:  # the decoder takes no subclasses
        return None
    try:
        return decoder.decode(source)
    except (DecodeError, UnicodeEncodeError):
        return None


def read_span(source: object, *, strict: bool = False) -> Span | Malformed:
    """Read `{"time": [start, end]}`, seconds, from JSON text or a JSON object.

    >>> read_span('{"time": [2, 6]}')
    (2.0, 6.0)
    >>> read_span("around noon")
    Malformed(why='expected a JSON object {"time": [start, end]}')
    """
    exact = _decode(_SPAN, source)
    if exact is not None:
        return exact.time
    fields = _fields(source)
    span = _numbers(fields.get("time"), SPAN, _reading(strict)) if fields is not None else None
    if span is None:
        return Malformed('expected a JSON object {"time": [start, end]}')
    return span[0], span[1]


def read_box(source: object, *, strict: bool = False) -> Box | Malformed:
    """Read `{"boxes": [x1, y1, x2, y2]}` from JSON text or a JSON object.

    >>> read_box('{"boxes": ["1", 2, 3, 4]}'), read_box('{"boxes": ["1", 2, 3, 4]}', strict=True)
    ((1.0, 2.0, 3.0, 4.0), Malformed(why='expected a JSON object {"boxes": [x1, y1, x2, y2]}'))
    """
    exact = _decode(_BOX, source)
    if exact is not None:
        return exact.boxes
    fields = _fields(source)
    box = _box(fields.get("boxes"), _reading(strict)) if fields is not None else None
    return Malformed('expected a JSON object {"boxes": [x1, y1, x2, y2]}') if box is None else box


def read_tube(source: object, *, strict: bool = False) -> Tube | Malformed:
    """Read `{"time": [start, end], "boxes": {frame: [x1, y1, x2, y2], …}}`, each part apart.

    >>> read_tube('{"boxes": {"5": [0, 0, 1, 1], "6": null}}')
    Tube(time=None, has_pair=False, boxes={'5': (0.0, 0.0, 1.0, 1.0), '6': None})
    """
    exact = _decode(_TUBE, source)
    if exact is not None:
        return Tube(exact.time, exact.time is not None, exact.boxes)
    fields = _fields(source)
    if fields is None:
        return Malformed('expected a JSON object {"boxes": {frame: [x1, y1, x2, y2]}}')
    number = _reading(strict)
    pair, boxes = fields.get("time"), fields.get("boxes")
    has_pair = isinstance(pair, list) and len(pair) == SPAN
    span = _numbers(pair, SPAN, number)
    return Tube(
        time=None if span is None else (span[0], span[1]),
        has_pair=has_pair,
        boxes={frame: _box(box, number) for frame, box in boxes.items()}
        if isinstance(boxes, dict)
        else None,
    )


def read_prompts(source: object, *, strict: bool = False) -> Prompts | Malformed:
    """Read `{"boxes": …, "positive_points": …, "negative_points": …, "time": …}`, each part apart.

    >>> read_prompts('{"boxes": [0, 0, 9, 9], "positive_points": [[1, 2]], "time": 3}')
    Prompts(box=(0.0, 0.0, 9.0, 9.0), positive=((1.0, 2.0),), negative=None, keyframe_s=3.0)
    """
    exact = _decode(_PROMPTS, source)
    if exact is not None:
        return Prompts(exact.boxes, exact.positive_points, exact.negative_points, exact.time)
    fields = _fields(source)
    if fields is None:
        return Malformed('expected a JSON object {"boxes", "positive_points", "negative_points"}')
    number = _reading(strict)
    return Prompts(
        box=_box(fields.get("boxes"), number),
        positive=_points(fields.get("positive_points"), number),
        negative=_points(fields.get("negative_points"), number),
        keyframe_s=_keyframe(fields.get("time"), strict=strict),
    )


def _fields(source: object) -> dict[str, Any] | None:
    value = source
    if isinstance(source, str):
        # Nested brackets can exhaust the stack: a cheap way for a policy to crash its judge.
        try:
            value = json.loads(source)
        except (ValueError, RecursionError):
            return None
    return value if isinstance(value, dict) else None


def _reading(strict: bool) -> Number:  # noqa: FBT001 - the one place where both readings meet
    return _strict_number if strict else _lenient_number


def _lenient_number(value: Any) -> float | None:
    try:
        return float(value)
    except (TypeError, ValueError, OverflowError):
        return None


def _strict_number(value: Any) -> float | None:
    if isinstance(value, bool) or not isinstance(value, int | float):
        return None
    return _lenient_number(value)


def _numbers(value: Any, count: int, number: Number) -> list[float] | None:
    if not isinstance(value, list) or len(value) != count:
        return None
    read = [number(item) for item in value]
    return None if None in read else [item for item in read if item is not None]


def _box(value: Any, number: Number) -> Box | None:
    corners = _numbers(value, BOX, number)
    return None if corners is None else (corners[0], corners[1], corners[2], corners[3])


def _points(value: Any, number: Number) -> tuple[Point, ...] | None:
    if not isinstance(value, list):
        return None
    points: list[Point] = []
    for item in value:
        point = _numbers(item, POINT, number)
        if point is None:
            return None
        points.append((point[0], point[1]))
    return tuple(points)


def _keyframe(value: Any, *, strict: bool) -> float | None:
    if not isinstance(value, int | float) or (strict and isinstance(value, bool)):
        return None
    # The released structure reward asks only for the type, so a number too large stays a number.
    number = _lenient_number(value)
    return math.inf if number is None else number
