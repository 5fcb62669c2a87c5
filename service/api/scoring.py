"""What every route that scores has in common: admit a batch, score it, count it."""

import asyncio
import time
from collections.abc import Sequence
from contextlib import AbstractAsyncContextManager, AsyncExitStack

from starlette.requests import Request

from rewards.errors import OutOfTime
from rewards.sample import Sample
from rewards.score import Unscored, Verdict
from service.api.dependencies import unless_gone
from service.api.media import bring_media
from service.api.plain import AnyRewardRequest
from service.api.translate import Batch, read_batch
from service.api.weigh import pixels_of, tokens_of
from service.container import Container
from service.errors import Overloaded


async def score(
    asked: AnyRewardRequest, parts: Container, request: Request
) -> tuple[Batch, list[Verdict]]:
    """Return what was asked, read, and a verdict on each of its samples, in order.

    Raises what refuses the whole request, and `CallerLeft` when nobody waits any more.
    """
    request.state.notes.update(items=len(asked.items), run=asked.run)
    owner = asked.run or request.state.caller
    with parts.metrics.refusing(len(asked.items)):
        batch = read_batch(asked, parts, started=request.state.started)
        verdicts = await unless_gone(request, _score_in_turn(owner, batch, parts))
    parts.metrics.count(batch.kinds, batch.samples, verdicts)
    return batch, verdicts


async def _score_in_turn(owner: str, batch: Batch, parts: Container) -> list[Verdict]:
    """Nothing is decoded, and nothing kept, before the batch is admitted and has its turn."""
    items = len(batch.samples)
    async with AsyncExitStack() as turn:
        try:
            with parts.stages("queue"), parts.metrics.departing("queue"):
                await turn.enter_async_context(_admit(owner, batch, parts))
            samples = await _bring_in_time(batch, parts) if any(batch.media) else batch.samples
        except OutOfTime as late:
            return [Unscored(0.0, 0.0, late)] * items
        except Overloaded as full:
            parts.metrics.rejections.labels(str(full.detail["full_of"])).inc()
            raise
        with parts.stages("score"), parts.metrics.departing("score"):
            return await parts.scoring.score(
                samples, batch.spec, owner=owner, deadline=batch.deadline
            )


def _admit(owner: str, batch: Batch, parts: Container) -> AbstractAsyncContextManager[None]:
    capacity, media = parts.limits.capacity, parts.limits.media
    pixels = 0
    if parts.media is not None and media is not None:
        pixels = pixels_of(batch, parts.media.known, most_frames=media.clip_frames)
    return parts.admission.enter(
        owner,
        len(batch.samples),
        tokens=0 if capacity.tokens is None else tokens_of(batch),
        pixels=pixels,
        deadline=batch.deadline,
    )


async def _bring_in_time(batch: Batch, parts: Container) -> Sequence[Sample]:
    try:
        async with asyncio.timeout(batch.deadline - time.monotonic()):
            with parts.stages("media"), parts.metrics.departing("media"):
                return await bring_media(batch.samples, batch.media, parts)
    except TimeoutError:
        raise OutOfTime("the deadline passed before the media of this request were here") from None
