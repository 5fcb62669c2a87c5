"""The records of media: how items name it, and what an upload is told."""

from typing import Annotated, Literal, Self, TypeVar

from pydantic import Field, StringConstraints, model_validator

from rewards.sample import DEFAULT_FPS
from service.api.schemas.base import WireModel

MOST_FRAMES = 4096
HIGHEST_FPS = 240.0

Reference = TypeVar("Reference", bound=WireModel)
Digest = Annotated[str, StringConstraints(pattern=r"^[0-9a-f]{64}$")]


class MediaReference(WireModel):
    """An image: by its hash if it was uploaded, or right here if it is small."""

    sha256: Digest | None = None
    """SHA-256 of the bytes, in lower-case hexadecimal digits."""
    base64: str | None = None
    """The bytes of a JPEG, PNG or WebP; at most `limits.media.inline_bytes` of `GET /info`."""

    @model_validator(mode="after")
    def _one_of_them(self) -> Self:
        return _exactly_one(self, "sha256", "base64")


class VideoReference(WireModel):
    """A video, by its hash or right here, or a list of frames that are images."""

    sha256: Digest | None = None
    """SHA-256 of the bytes, in lower-case hexadecimal digits."""
    base64: str | None = None
    """The bytes of an MP4, WebM or AVI; at most `limits.media.inline_bytes` of `GET /info`."""
    frames: Annotated[list[Digest], Field(min_length=1, max_length=MOST_FRAMES)] | None = None
    """SHA-256 of each frame, in order of time; all have one size."""
    fps: Annotated[float, Field(gt=0, le=HIGHEST_FPS)] = DEFAULT_FPS
    """How often a second the video is sampled, or how many listed frames fill a second."""

    @model_validator(mode="after")
    def _one_of_them(self) -> Self:
        return _exactly_one(self, "sha256", "base64", "frames")


class ItemMedia(WireModel):
    """What an item is about."""

    image: MediaReference | None = None
    """For `media_type` `image`."""
    video: VideoReference | None = None
    """For `media_type` `video`."""


class Uploaded(WireModel):
    """What was uploaded."""

    sha256: Digest
    """Its name."""
    kind: Literal["image", "video"]
    width: int
    height: int
    frames: int
    """1 for an image."""
    duration_s: float
    """When the last frame begins; 0 for an image."""


def _exactly_one(record: Reference, *names: str) -> Reference:
    if sum(getattr(record, name) is not None for name in names) != 1:
        raise ValueError(f"expected exactly one of {', '.join(names)}")
    return record
