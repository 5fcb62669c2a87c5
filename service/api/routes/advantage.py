"""`POST /advantage`: take a step of a run."""

from typing import Annotated

from fastapi import APIRouter, Depends
from starlette.requests import Request
from starlette.responses import Response

from service.api.access import check_run
from service.api.bodies import JsonBody
from service.api.dependencies import Parts
from service.api.openapi import READING_A_BODY, answers
from service.api.schemas.advantage import AdvantageAnswer, AdvantageRequest
from service.api.steps import read_step

router = APIRouter(tags=["advantages"])
REQUEST = JsonBody(AdvantageRequest)
REPLAYED = {"Idempotent-Replayed": "true"}


@router.post(
    "/advantage",
    openapi_extra=REQUEST.document,
    responses=answers(AdvantageAnswer, *READING_A_BODY, 409, 500, 503, 504),
)
async def advantage(
    asked: Annotated[AdvantageRequest, Depends(REQUEST)], parts: Parts, request: Request
) -> Response:
    """Turn the rewards of a step into advantages, and fold them into the run's moving averages.

    A step is folded once, however often it is sent: the same body gets the stored answer, with
    `replayed` set and the header `Idempotent-Replayed`; another body is refused. The answer is
    durable before it leaves. With the store away nothing is folded and the answer is 503.
    """
    check_run(request, asked.run)
    request.state.notes.update(items=len(asked.rewards), run=asked.run, step=asked.step)
    with parts.metrics.refusing_steps():
        answer = await parts.advantages.take(read_step(asked, parts))
    parts.metrics.steps.labels("replayed" if answer.replayed else "taken").inc()
    headers = REPLAYED if answer.replayed else None
    return Response(answer.body, headers=headers, media_type="application/json")
