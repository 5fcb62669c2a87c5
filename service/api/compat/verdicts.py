"""A verdict on each rollout of a dialect, whatever its label is.

The frameworks' callers take a refusal for a lost network: they ask again some times and then end
the job. So a label that makes no item leaves its own rollout unscored, and only the set-up is
refused: a query that names what does not exist, no kind anywhere, or many labels and not one that
can be read.
"""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import structlog
from pydantic import JsonValue
from starlette.requests import Request

from rewards.errors import BadTruth, RewardError, UnknownKind
from rewards.registry import lookup
from rewards.score import Unscored, Verdict
from service.api.compat.labels import Choices, NoKind, read_item
from service.api.problems import AtFields, pointer
from service.api.schemas.base import FieldError
from service.api.schemas.reward import RewardItem, RewardRequest
from service.api.scoring import score
from service.api.translate import read_spec
from service.container import Container
from service.engine.results import clean
from service.telemetry.metrics import ANY_KIND

log = structlog.get_logger()


@dataclass(frozen=True, slots=True)
class Rollout:
    """A label, its place in the body, and the fields of an item that the dialect itself gives."""

    label: JsonValue
    at: tuple[str | int, ...]
    fields: Mapping[str, str | None]


async def judge(
    rollouts: Sequence[Rollout], choices: Choices, parts: Container, request: Request
) -> list[Verdict]:
    """Return a verdict on each rollout, in order; raise `AtFields` for a mistake in the set-up.

    Whatever is left unscored is an error in the log, as most callers can only be given a number.
    """
    _check(choices, parts)
    read = [_read(rollout, choices.kind) for rollout in rollouts]
    items = [one for one in read if isinstance(one, RewardItem)]
    faults = [one for one in read if isinstance(one, AtFields)]
    if faults and not items and (len(faults) > 1 or isinstance(faults[0], NoKind)):
        raise faults[0]
    scored: list[Verdict] = []
    if items:
        _, scored = await score(RewardRequest(items=items, spec=choices.spec), parts, request)
    unread = [Unscored(0.0, 0.0, _cause(fault)) for fault in faults]
    parts.metrics.count_unscored(ANY_KIND, unread)
    of_items, of_faults = iter(scored), iter(unread)
    verdicts = [next(of_items if isinstance(one, RewardItem) else of_faults) for one in read]
    _tell(verdicts, request)
    return verdicts


def _check(choices: Choices, parts: Container) -> None:
    read_spec(choices.spec, parts)
    if choices.kind is not None:
        _known(choices.kind, None, ("kind",))


def _read(rollout: Rollout, kind: str | None) -> RewardItem | AtFields:
    try:
        item = read_item(rollout.label, kind, rollout.at, rollout.fields)
        _known(item.kind, item.media_type, (*rollout.at, "kind"))
    except AtFields as fault:
        return fault
    return item


def _known(kind: str, media_type: str | None, at: tuple[str | int, ...]) -> None:
    try:
        lookup(kind, media_type)
    except UnknownKind as error:
        fields = [FieldError(pointer=pointer(*at), detail=clean(str(error)))]
        raise AtFields(error, fields) from None


def _cause(fault: AtFields) -> RewardError:
    if isinstance(fault.cause, RewardError):
        return fault.cause
    return BadTruth(f"the label makes no item: {fault}")


def _tell(verdicts: Sequence[Verdict], request: Request) -> None:
    codes = Counter(one.error.code for one in verdicts if isinstance(one, Unscored))
    request.state.notes.update(items=len(verdicts), unscored=codes.total())
    if codes:
        log.error(
            "unscored",
            request_id=request.state.request_id,
            route=request.scope["route"].path,
            items=len(verdicts),
            unscored=dict(codes),
        )
