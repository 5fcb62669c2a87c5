"""From records on the wire to records of the library, and back."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import islice
from typing import Any

from rewards.errors import UnknownKind, UnknownSpec
from rewards.registry import RewardKind, lookup
from rewards.sample import Sample
from rewards.score import Verdict
from rewards.specs import Spec, find_spec
from service.api.plain import AnyItem, AnyRewardRequest, PlainRequest
from service.api.problems import MOST_FIELD_ERRORS, AtFields, pointer
from service.api.schemas.base import FieldError
from service.api.schemas.media import ItemMedia
from service.api.schemas.reward import RewardItem
from service.container import Container
from service.engine.results import clean, write_result, write_spec
from service.errors import TooLarge


@dataclass(frozen=True, slots=True)
class Batch:
    """What a request asks for: samples, and the kind of each, under one spec.

    `media` holds what the items of mask kinds said of theirs, still as it came: the samples have
    none yet.
    """

    samples: Sequence[Sample]
    media: Sequence[ItemMedia | None]
    kinds: Sequence[RewardKind]
    spec: Spec
    deadline: float


def read_batch(request: AnyRewardRequest, container: Container, *, started: float) -> Batch:
    """Return the batch of `request`, which arrived at `started` (`time.monotonic`).

    Raises `TooLarge`, or `AtFields` with every unknown kind or the unknown spec.
    """
    limits = container.limits
    if len(request.items) > limits.items:
        raise TooLarge(
            f"expected at most {limits.items} items, got {len(request.items)}", items=limits.items
        )
    milliseconds = min(request.deadline_ms or limits.deadline_ms, limits.deadline_ms)
    kinds = _read_kinds(request)
    return Batch(
        samples=request.items
        if isinstance(request, PlainRequest)
        else [_read_sample(item) for item in request.items],
        media=()
        if isinstance(request, PlainRequest)
        else [
            item.media if kind.masks else None
            for item, kind in zip(request.items, kinds, strict=True)
        ],
        kinds=kinds,
        spec=read_spec(request.spec, container),
        deadline=started + milliseconds / 1000,
    )


def read_spec(name: str | None, container: Container) -> Spec:
    """Return the spec that a request names, or the default; raise `AtFields` for an unknown one."""
    try:
        return find_spec(name or container.default_spec, container.specs)
    except UnknownSpec as error:
        raise AtFields(error, [FieldError(pointer="/spec", detail=clean(str(error)))]) from None


def _read_kinds(request: AnyRewardRequest) -> list[RewardKind]:
    items: Sequence[AnyItem] = request.items
    try:
        return [lookup(item.kind, item.media_type) for item in items]
    except UnknownKind as first:
        unknown = islice(_unknown_kinds(items), MOST_FIELD_ERRORS)
        fields = [
            FieldError(pointer=pointer("items", index, "kind"), detail=clean(str(error)))
            for index, error in unknown
        ]
        raise AtFields(first, fields) from None


def _unknown_kinds(items: Sequence[AnyItem]) -> Iterator[tuple[int, UnknownKind]]:
    for index, item in enumerate(items):
        try:
            lookup(item.kind, item.media_type)
        except UnknownKind as error:
            yield index, error


def _read_sample(item: RewardItem) -> Sample:
    return Sample(
        kind=item.kind,
        response=item.response,
        ground_truth=item.ground_truth,
        media_type=item.media_type,
        prompt=item.prompt,
        group=item.group,
        task=item.task,
    )


def write_answer(
    request: AnyRewardRequest,
    spec: Spec,
    verdicts: Sequence[Verdict],
    scaled: Sequence[float | None] | None = None,
) -> dict[str, Any]:
    """The answer to `request`, one result per item and in their order."""
    items: Sequence[AnyItem] = request.items
    results = [
        write_result(item.id, verdict) for item, verdict in zip(items, verdicts, strict=True)
    ]
    for result, scaled_reward in zip(results, scaled or (), strict=scaled is not None):
        result["scaled_reward"] = scaled_reward
    return {"spec": write_spec(spec), "results": results}
