"""The records of the catalogue: kinds, specs, limits and the state of the parts."""

from typing import Any, Literal

from service.api.schemas.base import WireModel
from service.api.schemas.reward import SpecReference


class Kind(WireModel):
    """A way to score an item."""

    name: str
    """Its canonical name."""
    media: str | None
    """The media type it is for, where a kind tells them apart."""
    aliases: list[str]
    """Other names it answers to; case, `_`, `-` and spaces make no difference."""
    lane: str
    """Where it runs: `inline`, `isolated` in a process that can be killed, or on a `model`."""
    doc: str
    """What it measures."""
    answer: str
    """What an answer looks like."""


class Kinds(WireModel):
    """Every kind, in the order of the registry."""

    kinds: list[Kind]


class SpecEntry(SpecReference):
    """A spec and every one of its constants."""

    constants: dict[str, Any]


class Specs(WireModel):
    """Every spec that a request may name."""

    default: str
    """The spec of requests that name none."""
    specs: list[SpecEntry]


class MediaLimits(WireModel):
    """How large one image or video may be."""

    upload_bytes: int
    """Of `PUT /media/{sha256}`."""
    inline_bytes: int
    """Within a request, before base64."""
    picture_px: int
    """Width times height of an image, and of each frame of a video."""
    video_frames: int
    video_s: float
    clip_frames: int
    """Sampled from a video, or listed."""
    clip_px: int
    """Sampled frames times pixels of each."""
    uploads: int
    """At the same time; one more is answered 429."""


class Capacity(WireModel):
    """How much all requests together may ask for; beyond that they are answered 429.

    One run (for bytes: one key, or one address without keys) has at most half of the room, and
    less while others are inside too, so that a newcomer finds some. What the models are asked is
    estimated, before anything is decoded.
    """

    body_bytes: int
    waiting_items: int
    active_items: int
    """Scored at the same time; what waits takes turns by run."""
    tokens: int | None
    """Of open-ended items, three characters each; null where no model judges those."""
    pixels: int | None
    """Of the masks that are drawn and the frames that are looked at; null without a mask model."""
    active_pixels: int | None
    """Drawn and looked at at the same time; what waits takes turns by run."""


class Limits(WireModel):
    """How much one request may ask for, and all of them together."""

    body_bytes: int
    items: int
    """Of `POST /reward`."""
    rollouts: int
    """Of `POST /advantage`."""
    deadline_ms: int
    shards_deadline_ms: int
    """How long a shard waits for the others of its step."""
    body_timeout_s: float
    brackets: int
    """Opening ones, square and curly, in one body."""
    capacity: Capacity
    media: MediaLimits | None
    """Null where no mask model looks at media."""


class Info(WireModel):
    """This service and its limits."""

    name: str
    version: str
    default_spec: str
    limits: Limits


class Live(WireModel):
    """The event loop turns."""

    status: Literal["live"]


class Part(WireModel):
    """A part of the service."""

    ready: bool
    reason: str | None
    """Why it is not ready."""


class Ready(WireModel):
    """This replica wants traffic."""

    status: Literal["ready", "degraded"]
    """`degraded` while a part is away that only some requests need."""
    parts: dict[str, Part]
    """The parts by name."""
