"""What one image or video may be, and what is said of it."""

from dataclasses import dataclass
from typing import Literal

Kind = Literal["image", "video"]


class Unusable(Exception):
    """The content cannot be decoded, or is none of the known types."""


class Excessive(Exception):
    """The content is well formed, and larger than the limits."""


@dataclass(frozen=True, slots=True)
class MediaLimits:
    """How large one image or video may be.

    `upload_bytes` and `inline_bytes` bound the file; `picture_px` an image and each frame;
    `video_frames` and `video_s` what a video may hold; `clip_frames` and `clip_px` (frames
    times pixels) what is sampled from it. So many `uploads` are taken at the same time.
    """

    upload_bytes: int = 2**28
    inline_bytes: int = 2**20
    picture_px: int = 2**24
    video_frames: int = 9_000
    video_s: float = 600.0
    clip_frames: int = 256
    clip_px: int = 2**28
    uploads: int = 16


@dataclass(frozen=True, slots=True)
class Description:
    """What a file is; an image is one frame that lasts no time."""

    kind: Kind
    width: int
    height: int
    frames: int = 1
    duration_s: float = 0.0


@dataclass(frozen=True, slots=True)
class Decoded:
    """What was written: RGB bytes of shape `(frames, height, width, 3)`, and when each frame is."""

    width: int
    height: int
    times_s: tuple[float, ...]


def check_picture(width: int, height: int, limits: MediaLimits) -> None:
    """Raise `Excessive` or `Unusable` for a size that no picture may have."""
    if width * height > limits.picture_px:
        raise Excessive(f"expected at most {limits.picture_px} pixels; got {width}x{height}")
    if not width * height:
        raise Unusable(f"expected a picture with pixels; got {width}x{height}")


def in_short(error: Exception) -> str:
    """What a decoding library says, without the path of a file here."""
    said = getattr(error, "strerror", None) or str(error) or type(error).__name__
    return str(said).split("'/")[0][:120]
