"""slime's `--rm-type remote_rm`."""

from typing import Annotated

from fastapi import APIRouter, Depends, Query
from starlette.requests import Request
from starlette.responses import Response

from service.api.bodies import JsonBody
from service.api.compat.labels import Choices, numbers, text_of
from service.api.compat.verdicts import Rollout, judge
from service.api.dependencies import Parts, json_response
from service.api.openapi import READING_A_BODY, answers
from service.api.schemas.compat import SlimeAnswer, SlimeSample

router = APIRouter(prefix="/compat", tags=["compatibility"])
SAMPLE = JsonBody(SlimeSample)


@router.post(
    "/slime",
    openapi_extra=SAMPLE.document,
    responses=answers(SlimeAnswer, *READING_A_BODY, 429, 500, 503),
)
async def slime(
    asked: Annotated[SlimeSample, Depends(SAMPLE)],
    choices: Annotated[Choices, Depends()],
    parts: Parts,
    request: Request,
    *,
    detail: Annotated[
        bool, Query(description="Answer with all numbers, for `--reward-key reward`.")
    ] = False,
) -> Response:
    """Score one sample: the body of the answer is the reward, a bare number.

    A sample that could not be scored gets the number `unscored`; only `detail` tells it apart.
    """
    fields = {"response": asked.response, "prompt": text_of(asked.prompt) or None}
    rollout = Rollout(asked.label, ("label",), fields)
    (verdict,) = await judge([rollout], choices, parts, request)
    told = numbers(verdict, choices.unscored)
    return json_response(told if detail else told["reward"])
