"""`POST /reward`: score a batch of rollouts."""

from typing import Annotated

from fastapi import APIRouter, Depends
from starlette.requests import Request
from starlette.responses import Response

from service.api.bodies import JsonBody
from service.api.dependencies import Parts, json_response
from service.api.openapi import READING_A_BODY, answers
from service.api.schemas.reward import RewardAnswer, RewardRequest
from service.api.scoring import score
from service.api.streaming import check_scale, scale_rewards
from service.api.translate import write_answer

router = APIRouter(tags=["rewards"])
REQUEST = JsonBody(RewardRequest)


@router.post(
    "/reward",
    openapi_extra=REQUEST.document,
    responses=answers(RewardAnswer, *READING_A_BODY, 409, 424, 429, 500, 503),
)
async def reward(
    asked: Annotated[RewardRequest, Depends(REQUEST)], parts: Parts, request: Request
) -> Response:
    """Score each item by its kind, in the order of the items.

    A bad answer is scored 0 with a reason. A bad ground truth, or trouble of the machine, leaves
    its item unscored with an error; the other items are not touched.
    """
    check_scale(asked)
    batch, verdicts = await score(asked, parts, request)
    scaled = await scale_rewards(asked, batch, verdicts, parts)
    with parts.metrics.stage_seconds.labels("write").time():
        return json_response(write_answer(asked, batch.spec, verdicts, scaled))
