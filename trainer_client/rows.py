"""From a dataset's row, under any framework's column names, to an item that can be scored."""

import hashlib
import json
import logging
import os
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import fields
from typing import Any

from trainer_client.errors import BadCall, RewardRefused
from trainer_client.wire.items import Item
from trainer_client.wire.media import Media
from trainer_client.wire.rewards import ItemResult
from trainer_client.wire.text import encode

log = logging.getLogger(__name__)

COLUMNS: Mapping[str, tuple[str, ...]] = {
    "kind": ("kind", "problem_type"),
    "ground_truth": ("ground_truth", "solution", "answer", "label"),
    "media_type": ("media_type", "data_type"),
    "prompt": ("problem", "prompt"),
    "group": ("group", "problem_id", "prompt_id", "uid"),
    "task": ("task",),
    "media": ("media",),
}
"""The names each field of an item goes by; the first that a row fills counts."""

SHOWN = ("image", "images", "video", "videos")
"""Columns of what the policy is shown: two pictures with one question are two prompts."""

MEDIA_TYPES = ("image", "video")
CARRIED = frozenset(field.name for field in fields(Item)) - {"id", "response"}


def read_item(row: Mapping[str, Any], response: str, *, kind: str | None = None) -> Item:
    """Return the item of one rollout; `kind` serves rows that name none.

    The ground truth may itself be an object, or the JSON of one, that has a `ground_truth` and
    any other fields of an item: so a framework that passes on a single column passes on all.
    What stands in a column is data: a row whose truth or media cannot be sent goes without a truth
    and comes back unscored, and the log says why. Raises `BadCall` where the columns are missing.

    >>> row = {"problem_type": "OCR", "solution": "a stop sign", "problem_id": 7}
    >>> item = read_item(row, "<think>…</think><answer>stop</answer>")
    >>> item.kind, item.ground_truth, item.group
    ('OCR', 'a stop sign', '7')
    >>> read_item({"label": '{"kind": "math", "ground_truth": "4"}'}, "4").kind
    'math'
    """
    found = {name: first_of(row, names) for name, names in COLUMNS.items()}
    _expect(row, "ground_truth")
    try:
        carried = _carried(found["ground_truth"])
        found |= carried
        encode(found["ground_truth"], "a ground truth")
        media = found["media"] and {role: Media.of(file) for role, file in found["media"].items()}
    except BadCall as error:
        log.error("a rollout is left unscored: %s", error)  # noqa: TRY400 - the row's fault
        carried = {"ground_truth": None}
        found |= carried
        media = None
    if not carried and kind is None:
        _expect(row, "kind")
    prompt = None if found["prompt"] is None else text_of(found["prompt"])
    shown = [*map(row.get, SHOWN), *(file.reference() for file in (media or {}).values())]
    return Item(
        kind=str(found["kind"] or kind or ""),
        response=response,
        ground_truth=found["ground_truth"],
        media_type=found["media_type"] if found["media_type"] in MEDIA_TYPES else None,
        prompt=prompt,
        group=_group(found["group"], prompt, found["ground_truth"], shown),
        task=found["task"],
        media=media,
    )


def _expect(row: Mapping[str, Any], name: str) -> None:
    if not row.keys() & set(COLUMNS[name]):
        raise BadCall(f"expected a column {' or '.join(COLUMNS[name])}; got {', '.join(row)}")


def refused(items: Sequence[Item], error: RewardRefused) -> tuple[ItemResult, ...]:
    """Return what came of rollouts that the service refused one and all.

    For frameworks that ask for a prompt or a rollout at a time, where one bad row is all there is.
    Raises the error if anything but the items is at fault.
    """
    if not error.items:
        raise error
    log.error("%d rollouts are left unscored: %s", len(items), error)
    return tuple(
        ItemResult.refused(item.id or str(place), error.code, error.items.get(place, str(error)))
        for place, item in enumerate(items)
    )


def first_of(row: Mapping[str, Any], names: Sequence[str]) -> Any:
    """Return what stands under the first of some names that a row fills, `None` if it has none.

    Empty text stands back behind another name's.

    >>> first_of({"solution": "", "answer": "4"}, ("solution", "answer"))
    '4'
    """
    found = [row[name] for name in names if row.get(name) is not None]
    filled = (value for value in found if not (isinstance(value, str) and not value))
    return next(filled, found[0] if found else None)


def _carried(truth: Any) -> dict[str, Any]:
    if isinstance(truth, str) and truth.lstrip().startswith("{"):
        try:
            truth = json.loads(truth)
        except (ValueError, RecursionError):
            return {}
    if not isinstance(truth, Mapping) or "ground_truth" not in truth:
        return {}
    unknown = truth.keys() - CARRIED
    if unknown:
        raise BadCall(
            f"a ground truth that carries an item may have {', '.join(sorted(CARRIED))}; "
            f"got {', '.join(sorted(map(str, unknown)))}"
        )
    return dict(truth)


def _group(name: Any, prompt: str | None, truth: Any, shown: Sequence[Any]) -> str | None:
    if name is not None:
        return str(name)
    if prompt is None:
        return None
    digest = hashlib.sha256(f"{prompt}\0{truth}".encode("utf-8", "replace"))
    for part in _contents(shown):
        digest.update(hashlib.sha256(part).digest())
    return digest.hexdigest()[:32]


def _contents(shown: Any) -> Iterator[bytes]:
    # Of anything else only the address in memory is known, which differs from rollout to rollout.
    if isinstance(shown, bytes):
        yield shown
    elif isinstance(shown, str | os.PathLike | int | float):
        yield str(shown).encode("utf-8", "replace")
    elif hasattr(shown, "tobytes"):  # Pillow's images, and arrays
        yield shown.tobytes()
    elif isinstance(shown, Mapping | Sequence):
        for part in shown.values() if isinstance(shown, Mapping) else shown:
            yield from _contents(part)


def task_of(item: Item) -> str:
    """Return the task whose moving average the item belongs to: its own, else its kind.

    >>> task_of(Item("Segmentation", "", "", media_type="video"))
    'segmentation/video'
    """
    return task_key(item.kind, item.media_type, item.task)


def task_key(kind: str, media_type: str | None, task: str | None) -> str:
    """Return the task that is named, else the kind; segmentation is two by its media.

    >>> task_key("Temporal Grounding", "video", None)
    'temporal_grounding'
    """
    if task is not None:
        return task
    kind = kind.strip().lower().replace(" ", "_").replace("-", "_")
    return f"{kind}/{media_type or 'image'}" if kind == "segmentation" else kind


def text_of(content: Any) -> str:
    """Return what was said, from text, from messages, or from parts of one message.

    >>> text_of([{"role": "user", "content": [{"type": "text", "text": "How many?"}]}])
    'How many?'
    """
    if isinstance(content, str):
        return content
    if isinstance(content, Mapping):
        return text_of(content.get("content") or content.get("text") or "")
    return "\n".join(text for text in map(text_of, content or ()) if text)


def response_of(completion: Any) -> str:
    """Return what the policy wrote: the completion, or the last thing the assistant said in it.

    >>> response_of([{"role": "assistant", "content": "4"}, {"role": "tool", "content": "ok"}])
    '4'
    """
    if isinstance(completion, str):
        return completion
    said = [turn for turn in completion if turn.get("role") == "assistant"]
    return text_of(said[-1]) if said else ""


def rows_of(columns: Mapping[str, Any], count: int) -> list[dict[str, Any]]:
    """Turn columns into `count` rows; what is not a column of that length is left out.

    >>> rows_of({"kind": ["math", "ocr"], "trainer_state": object()}, 2)
    [{'kind': 'math'}, {'kind': 'ocr'}]
    """
    lists = {
        name: values
        for name, values in columns.items()
        if isinstance(values, Sequence) and not isinstance(values, str) and len(values) == count
    }
    return [{name: values[at] for name, values in lists.items()} for at in range(count)]
