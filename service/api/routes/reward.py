"""`POST /reward`: score a batch of rollouts."""

import asyncio
from collections.abc import Callable
from typing import Annotated

from fastapi import APIRouter, Depends
from starlette.requests import Request
from starlette.responses import Response

from service.api.access import ADVANTAGE, check_run, check_scope
from service.api.bodies import JsonBody, parse_aside, read_body
from service.api.dependencies import Parts, container_of, json_response
from service.api.openapi import READING_A_BODY, answers
from service.api.plain import AnyRewardRequest, read_plain
from service.api.schemas.reward import RewardAnswer, RewardRequest
from service.api.scoring import score
from service.api.streaming import check_scale, scale_rewards
from service.api.translate import write_answer

router = APIRouter(tags=["rewards"])
REQUEST = JsonBody(RewardRequest)
# The answer to so many is written in a thread, so that the event loop gets its turns.
MANY_ITEMS = 2048


async def read_request(request: Request) -> AnyRewardRequest:
    """Return what is asked; raise `InvalidRequest` at the fields that do not fit."""
    parts = container_of(request)
    with parts.stages("read"):
        body = await read_body(request, parts.limits)
    with parts.stages("parse"):
        return await parse_aside(read_plain, body) or await REQUEST.read(body)


@router.post(
    "/reward",
    openapi_extra=REQUEST.document,
    responses=answers(RewardAnswer, *READING_A_BODY, 409, 424, 429, 500, 503),
)
async def reward(
    asked: Annotated[AnyRewardRequest, Depends(read_request)], parts: Parts, request: Request
) -> Response:
    """Score each item by its kind, in the order of the items.

    A bad answer is scored 0 with a reason. A bad ground truth, or trouble of the machine, leaves
    its item unscored with an error; the other items are not touched.
    """
    _check_rights(asked, request)
    check_scale(asked)
    batch, verdicts = await score(asked, parts, request)
    scaled = await scale_rewards(asked, batch, verdicts, parts)
    with parts.stages("write"):
        return await _write(lambda: write_answer(asked, batch.spec, verdicts, scaled), asked)


async def _write(answer: Callable[[], object], asked: AnyRewardRequest) -> Response:
    if len(asked.items) < MANY_ITEMS:
        return json_response(answer())
    return await asyncio.to_thread(lambda: json_response(answer()))


def _check_rights(asked: AnyRewardRequest, request: Request) -> None:
    if asked.scale is not None:
        check_scope(request, ADVANTAGE)
    if asked.run is not None:
        check_run(request, asked.run)
