"""Rewards that are scaled one by one: what `"scale": "ema"` asks of a request, and adds to it."""

from collections import Counter
from collections.abc import Iterator, Sequence

from rewards.registry import default_task, lookup
from rewards.score import Scored, Verdict
from service.api.plain import AnyItem, AnyRewardRequest
from service.api.problems import MOST_FIELD_ERRORS, AtFields, pointer
from service.api.schemas.base import FieldError
from service.api.translate import Batch
from service.container import Container
from service.engine.results import clean
from service.engine.streams import StreamedReward, StreamedStep
from service.errors import InvalidRequest


def check_scale(asked: AnyRewardRequest) -> None:
    """Raise `AtFields` unless a request that asks for scaled rewards says what they belong to."""
    if asked.scale is None:
        return
    wrong = [
        FieldError(pointer=path, detail=clean(f"{path}: {why}")) for path, why in _missing(asked)
    ]
    if wrong:
        raise AtFields(InvalidRequest(wrong[0].detail), wrong[:MOST_FIELD_ERRORS])


def _missing(asked: AnyRewardRequest) -> Iterator[tuple[str, str]]:
    items: Sequence[AnyItem] = asked.items
    for name in ("run", "step"):
        if getattr(asked, name) is None:
            yield pointer(name), "expected one, since rewards are to be scaled; got none"
    times = Counter(item.id for item in items)
    for index, item in enumerate(items):
        if item.group is None:
            yield pointer("items", index, "group"), "expected one to be scaled with; got none"
        if item.id is None:
            yield pointer("items", index, "id"), "expected one to be folded once by; got none"
        elif times[item.id] > 1:
            yield pointer("items", index, "id"), f"expected one of its own; got {item.id!r} again"


async def scale_rewards(
    asked: AnyRewardRequest, batch: Batch, verdicts: Sequence[Verdict], parts: Container
) -> list[float | None] | None:
    """Return each reward divided by its task's deviation; None where that is not asked for.

    The request must have passed `check_scale`.
    """
    if asked.scale is None or asked.run is None or asked.step is None:
        return None
    items: Sequence[AnyItem] = asked.items
    step = StreamedStep(run=asked.run, step=asked.step, spec=batch.spec)
    rewards = [
        StreamedReward(
            id=item.id or "",
            group=item.group or "",
            task=item.task or default_task(lookup(item.kind, item.media_type)),
            reward=verdict.reward if isinstance(verdict, Scored) else None,
        )
        for item, verdict in zip(items, verdicts, strict=True)
    ]
    return await parts.streams.scale(step, rewards)
