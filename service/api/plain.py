"""Requests as training jobs send them, read at a third of the cost of those that need a judge.

A body is plain when nothing in it has to be explained, refused or looked at twice: every other
body, whether good or bad, is read by `RewardRequest`, which says what is wrong with it.
"""

from collections.abc import Sequence
from typing import Annotated, Literal, TypeVar

from msgspec import UNSET, Meta, MsgspecError, Struct, UnsetType
from msgspec.json import Decoder, encode

from rewards.sample import Sample
from service.api.schemas.base import LAST_STEP, LONGEST_LABEL, LONGEST_NAME, NAME
from service.api.schemas.reward import (
    LONGEST_DEADLINE_MS,
    LONGEST_MEDIA_TYPE,
    MOST_ITEMS,
    RewardItem,
    RewardRequest,
)

Label = Annotated[str, Meta(max_length=LONGEST_LABEL)]
MediaType = Annotated[str, Meta(max_length=LONGEST_MEDIA_TYPE)]
Value = TypeVar("Value")
# Unlike there, `$` would match before a last line feed here.
Name = Annotated[str, Meta(max_length=LONGEST_NAME, pattern=NAME.removesuffix("$") + r"\Z")]


class _Written(Struct, frozen=True, forbid_unknown_fields=True, omit_defaults=True):
    """What is written again just as it was read: what was left out, and what was null."""


class _WrittenItem(_Written, frozen=True, gc=False):
    kind: Label
    response: str
    ground_truth: str | int | float
    id: Label | UnsetType | None = UNSET
    media_type: MediaType | UnsetType | None = UNSET
    prompt: str | UnsetType | None = UNSET
    group: Label | UnsetType | None = UNSET
    task: Label | UnsetType | None = UNSET
    media: UnsetType | None = UNSET


class _WrittenRequest(_Written, frozen=True):
    items: Annotated[list[_WrittenItem], Meta(max_length=MOST_ITEMS)]
    spec: Label | UnsetType | None = UNSET
    run: Name | UnsetType | None = UNSET
    step: Annotated[int, Meta(ge=0, le=LAST_STEP)] | UnsetType | None = UNSET
    scale: Literal["ema"] | UnsetType | None = UNSET
    deadline_ms: Annotated[int, Meta(ge=1, le=LONGEST_DEADLINE_MS)] | UnsetType | None = UNSET


class PlainItem(Sample, frozen=True, gc=False):
    """An item without media whose truth is a text or a number: a sample with an id."""

    id: str | None = None


class PlainRequest(Struct, frozen=True):
    """A batch of plain items; otherwise as `RewardRequest`."""

    items: Sequence[PlainItem]
    spec: str | None
    run: str | None
    step: int | None
    scale: Literal["ema"] | None
    deadline_ms: int | None


AnyRewardRequest = RewardRequest | PlainRequest
AnyItem = RewardItem | PlainItem

_REQUEST = Decoder(_WrittenRequest)
QUOTE, WRITTEN_QUOTE = b'"', b"\\u0022"


def read_plain(body: bytes) -> PlainRequest | None:
    """Return the request if it is plain, else None.

    Where a name stands twice in an object the decoder drops one, so that quotation marks are
    missing when the request is written again.

    >>> body = b'{"items": [{"kind": "ocr", "response": "a", "ground_truth": "b"}], "run": "r"}'
    >>> read_plain(body).items[0].ground_truth, read_plain(body[:-1] + b', "run": "s"}')
    ('b', None)
    """
    try:
        written = _REQUEST.decode(body)
    except (MsgspecError, UnicodeDecodeError, RecursionError):
        return None
    if WRITTEN_QUOTE in body or body.count(QUOTE) != encode(written).count(QUOTE):
        return None
    return PlainRequest(
        [_read_item(item) for item in written.items],
        _given(written.spec),
        _given(written.run),
        _given(written.step),
        _given(written.scale),
        _given(written.deadline_ms),
    )


def _given(value: Value | UnsetType | None) -> Value | None:
    return None if isinstance(value, UnsetType) else value


def _read_item(item: _WrittenItem) -> PlainItem:
    return PlainItem(
        item.kind,
        item.response,
        item.ground_truth,
        None if item.media_type is UNSET else item.media_type,
        None if item.prompt is UNSET else item.prompt,
        None if item.group is UNSET else item.group,
        None if item.task is UNSET else item.task,
        None,
        None if item.id is UNSET else item.id,
    )
