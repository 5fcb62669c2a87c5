"""Lines of a file as samples, under our field names or those of OneThinker's data."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from rewards.errors import BadRequest, BadTruth, RewardError, UnknownKind
from rewards.registry import RewardKind, default_task, lookup
from rewards.sample import Sample
from service.commands.media import MediaFiles

FIELDS: Mapping[str, tuple[str, ...]] = {
    "id": ("id", "problem_id"),
    "kind": ("kind", "problem_type"),
    "response": ("response",),
    "ground_truth": ("ground_truth", "solution", "answer"),
    "media_type": ("media_type", "data_type"),
    "prompt": ("prompt", "problem"),
    "group": ("group", "problem_id"),
    "task": ("task",),
    "media": ("media",),
}
REQUIRED: Mapping[str, type[RewardError]] = {
    "kind": BadRequest,
    "response": BadRequest,
    "ground_truth": BadTruth,
}
UNREADABLE: Mapping[str, Any] = {"kind": "", "response": "", "ground_truth": None}
UNKNOWN, NO_KIND = "(unknown kind)", "(no kind)"


@dataclass(frozen=True, slots=True)
class Row:
    """One line: its number (from 1), its id and the sample.

    `fault` is why it cannot be scored as it stands; the sample then holds what could be read.
    `media` are what the sample is about, which it does not know yet.
    """

    line: int
    id: str | None
    sample: Sample
    media: MediaFiles | None = None
    fault: RewardError | None = None

    @property
    def kind(self) -> RewardKind | None:
        """How it is scored; None where that cannot be told."""
        try:
            return lookup(self.sample.kind, self.sample.media_type)
        except UnknownKind:
            return None

    @property
    def label(self) -> str:
        """What it is summed up under: its kind, and the media type where the kind has several."""
        if self.kind is None:
            return UNKNOWN if self.sample.kind else NO_KIND
        return default_task(self.kind)


def read_row(line: int, text: bytes) -> Row:
    """Read one line of JSON; what is wrong with it is the row's `fault`.

    >>> row = read_row(1, b'{"problem_type": "OCR", "solution": "hi", "response": "ho"}')
    >>> row.label, row.sample.ground_truth, read_row(2, b"ho").fault
    ('ocr', 'hi', BadRequest('expected JSON: Expecting value at column 1'))
    """
    record: Mapping[str, Any] = {}
    fault: RewardError | None = None
    try:
        record = _read_object(text)
    except BadRequest as error:
        fault = error
    values = dict(UNREADABLE)
    for field, names in FIELDS.items():
        try:
            values |= _read_field(field, names, record)
        except RewardError as error:
            fault = fault or error
    item_id, media = values.pop("id", None), values.pop("media", None)
    return Row(line, item_id, Sample(**values), media, fault)


def _read_object(text: bytes) -> Mapping[str, Any]:
    try:
        record = json.loads(text)
    except json.JSONDecodeError as error:
        raise BadRequest(f"expected JSON: {error.msg} at column {error.colno}") from None
    except (ValueError, RecursionError) as error:
        raise BadRequest(f"expected JSON: {error}") from None
    if not isinstance(record, dict):
        raise BadRequest(f"expected an object, got {type(record).__name__}")
    return record


def _read_field(field: str, names: Sequence[str], record: Mapping[str, Any]) -> dict[str, Any]:
    present = [name for name in names if record.get(name) is not None]
    if present:
        return {field: _checked(field, record[present[0]])}
    if field in REQUIRED:
        raise REQUIRED[field](f"expected a field named {' or '.join(names)} that is not null")
    return {}


def _media(value: Any) -> MediaFiles | None:
    try:
        return MediaFiles.read(value)
    except ValueError as error:
        raise BadRequest(f"media: {error}") from None


def _checked(field: str, value: Any) -> Any:
    if field == "media":
        return _media(value)
    if field == "ground_truth" or isinstance(value, str):
        return value
    if field in {"id", "group"} and isinstance(value, int):
        return str(value)
    raise BadRequest(f"{field}: expected text, got {type(value).__name__}")
