"""What a service asks of a replica and what it answers, each a MessagePack body."""

import time
from typing import TypeVar

import msgspec
import numpy as np

from rewards.errors import ModelFailed, OutOfTime, ScorerUnavailable, WorkerDied
from rewards.ports import Comparison, MaskPrompt, Pixels, Segmented

Message = TypeVar("Message")

TROUBLES = {error.code: error for error in (ModelFailed, OutOfTime, WorkerDied)}


class Trouble(msgspec.Struct, frozen=True, tag=True):
    """Why there is no score or no mask."""

    code: str
    message: str


class Frames(msgspec.Struct, frozen=True):
    """Pixels of an image or a clip: an array's shape and its bytes."""

    shape: tuple[int, ...]
    data: bytes


class Drawn(msgspec.Struct, frozen=True, tag=True):
    """The masks of one prompt: an array's shape, and its bits, eight to a byte."""

    shape: tuple[int, int, int]
    bits: bytes
    predicted_iou: float


class CompareCall(msgspec.Struct, frozen=True):
    """Comparisons to be scored within `left_s` seconds."""

    comparisons: list[Comparison]
    left_s: float | None


class DrawCall(msgspec.Struct, frozen=True):
    """Prompts to be drawn on an image, or tracked through a clip and drawn on `frames`.

    `times_s` is None for an image. `pixels` is left out as long as the replica may remember what
    it made of them.
    """

    digest: str
    height: int
    width: int
    times_s: tuple[float, ...] | None
    prompts: list[MaskPrompt]
    frames: list[int]
    pixels: Frames | None
    left_s: float | None


class About(msgspec.Struct, frozen=True):
    """Who answers, with which model, and what it has done since it started."""

    replica: str
    scorer: str
    usage: dict[str, float]


class Compared(msgspec.Struct, frozen=True):
    """A raw score for each comparison, or why there is none."""

    about: About
    outcomes: list[float | Trouble]


class Drawings(msgspec.Struct, frozen=True):
    """Masks for each prompt, or why there are none; None when the pixels are wanted first."""

    about: About
    outcomes: list[Drawn | Trouble] | None


def encode(message: msgspec.Struct) -> bytes:
    """Write a message; raises `ModelFailed` for text that is not Unicode."""
    try:
        return msgspec.msgpack.encode(message)
    except UnicodeEncodeError as error:
        raise ModelFailed(f"expected text that can be sent: {error}") from None


def decode(body: bytes, expected: type[Message]) -> Message:
    """Read a message; raises `ModelFailed` when the other side speaks another version."""
    try:
        return msgspec.msgpack.decode(body, type=expected)
    except msgspec.DecodeError as error:
        raise ModelFailed(f"expected a message of this version: {error}") from None


def to_trouble(error: ScorerUnavailable) -> Trouble:
    """What is told of an error.

    >>> to_trouble(OutOfTime("too late"))
    Trouble(code='deadline_exceeded', message='too late')
    """
    return Trouble(error.code, str(error))


def to_error(trouble: Trouble) -> ScorerUnavailable:
    """The error that was told of."""
    return TROUBLES.get(trouble.code, ModelFailed)(trouble.message)


def to_frames(pixels: Pixels) -> Frames:
    """Pixels as they travel."""
    return Frames(pixels.shape, pixels.tobytes())


def to_pixels(frames: Frames) -> Pixels:
    """Pixels as they were, not to be written to."""
    return np.frombuffer(frames.data, dtype=np.uint8).reshape(frames.shape)


def to_drawn(segmented: Segmented) -> Drawn:
    """Masks as they travel."""
    frames, height, width = segmented.masks.shape
    bits = np.packbits(segmented.masks).tobytes()
    return Drawn((frames, height, width), bits, segmented.predicted_iou)


def to_segmented(drawn: Drawn) -> Segmented:
    """Masks as they were.

    >>> masks = np.arange(30).reshape(1, 5, 6) % 7 == 0
    >>> bool((to_segmented(to_drawn(Segmented(masks, 0.5))).masks == masks).all())
    True
    """
    bits = np.frombuffer(drawn.bits, dtype=np.uint8)
    size = int(np.prod(drawn.shape))
    masks = np.unpackbits(bits, count=size).view(np.bool_).reshape(drawn.shape)
    return Segmented(masks, drawn.predicted_iou)


def left_s(deadline: float | None) -> float | None:
    """Seconds until an instant of `time.monotonic`, which no two machines share."""
    return None if deadline is None else deadline - time.monotonic()


def deadline_in(seconds: float | None) -> float | None:
    """The instant of `time.monotonic` that is `seconds` away."""
    return None if seconds is None else time.monotonic() + seconds
