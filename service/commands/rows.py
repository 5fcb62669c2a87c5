"""Lines of a file as samples, under our field names or those of OneThinker's data."""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from rewards.errors import UnknownKind
from rewards.registry import default_task, lookup
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
REQUIRED = ("kind", "response", "ground_truth")
UNKNOWN = "(unknown kind)"


@dataclass(frozen=True, slots=True)
class Row:
    """One line: its number (from 1), its id and the sample.

    `label` is what it is summed up under: its task, by default its kind and media. `media` are
    the files that the sample is about, which it does not know yet.
    """

    line: int
    id: str | None
    label: str
    sample: Sample
    media: MediaFiles | None = None


class BadLine(ValueError):
    """A line that is no sample, and why."""


def read_row(line: int, text: bytes) -> Row:
    """Read one line of JSON; raises `BadLine`.

    >>> row = read_row(1, b'{"problem_type": "OCR", "solution": "hi", "response": "ho"}')
    >>> row.label, row.sample.ground_truth
    ('ocr', 'hi')
    """
    values = _read_values(text)
    item_id, media = values.pop("id", None), values.pop("media", None)
    sample = Sample(**values)
    return Row(line, item_id, sample.task or _label(sample), sample, media)


def _label(sample: Sample) -> str:
    try:
        return default_task(lookup(sample.kind, sample.media_type))
    except UnknownKind:
        return UNKNOWN


def _read_values(text: bytes) -> dict[str, Any]:
    try:
        record = json.loads(text)
    except json.JSONDecodeError as error:
        raise BadLine(f"expected JSON: {error.msg} at column {error.colno}") from None
    except (ValueError, RecursionError) as error:
        raise BadLine(f"expected JSON: {error}") from None
    if not isinstance(record, dict):
        raise BadLine(f"expected an object, got {type(record).__name__}")
    values = {}
    for field, names in FIELDS.items():
        present = [name for name in names if record.get(name) is not None]
        if present:
            values[field] = _checked(field, record[present[0]])
        elif field in REQUIRED:
            raise BadLine(f"expected a field named {' or '.join(names)}")
    return values


def _media(value: Any) -> MediaFiles | None:
    try:
        return MediaFiles.read(value)
    except ValueError as error:
        raise BadLine(f"media: {error}") from None


def _checked(field: str, value: Any) -> Any:
    if field == "media":
        return _media(value)
    if field == "ground_truth" or isinstance(value, str):
        return value
    if field in {"id", "group"} and isinstance(value, int):
        return str(value)
    raise BadLine(f"{field}: expected text, got {type(value).__name__}")
