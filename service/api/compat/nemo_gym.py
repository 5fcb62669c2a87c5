"""NeMo-Gym's resources server, as far as verifying goes."""

from collections.abc import Mapping
from statistics import fmean
from typing import Annotated, Any

from fastapi import APIRouter, Depends
from pydantic import JsonValue
from starlette.requests import Request
from starlette.responses import Response

from rewards.errors import BadRequest, BadTruth, RewardError
from rewards.score import Unscored, Verdict
from service.api.bodies import JsonBody
from service.api.compat.labels import ANY_JSON, Choices, numbers, text_of
from service.api.compat.verdicts import Rollout, judge
from service.api.dependencies import Parts, json_response
from service.api.openapi import READING_A_BODY, answers
from service.api.schemas.compat import (
    GymMetrics,
    GymRollout,
    GymSession,
    GymVerified,
    GymVerifiedRows,
    ReverifyMode,
)
from service.api.schemas.reward import RewardItem
from service.engine.results import clean

router = APIRouter(prefix="/compat/nemo_gym", tags=["compatibility"])
ROLLOUT = JsonBody(GymRollout)
ROWS = JsonBody(GymVerifiedRows)
ITEM_FIELDS = frozenset(RewardItem.model_fields) - {"id", "response", "prompt"}
MEASURED = ("reward", "accuracy", "format", "structure")


@router.post(
    "/verify",
    openapi_extra=ROLLOUT.document,
    responses=answers(GymVerified, *READING_A_BODY, 429, 500, 503),
)
@router.post("/ng-rollout/{rollout}/verify", include_in_schema=False)
async def verify(
    asked: Annotated[GymRollout, Depends(ROLLOUT)],
    choices: Annotated[Choices, Depends()],
    parts: Parts,
    request: Request,
) -> Response:
    """Score one rollout; its row comes back with the reward.

    A rollout that could not be scored has `mask_sample` set, a `failure_kind` and a reason.
    """
    row = asked.__pydantic_extra__
    label: dict[str, JsonValue] = {name: row[name] for name in ITEM_FIELDS & row.keys()}
    fields = {
        "response": _said(asked.response),
        "prompt": text_of(asked.responses_create_params.get("input")) or None,
    }
    rollout = Rollout({"ground_truth": None, **label}, (), fields)
    (verdict,) = await judge([rollout], choices, parts, request)
    told = numbers(verdict, choices.unscored)
    measured = {name: told[name] for name in MEASURED}
    body = ANY_JSON.dump_json(asked.model_dump() | measured | _failure(verdict))
    return Response(body, media_type="application/json")


def _said(response: Mapping[str, Any]) -> str:
    output = response.get("output")
    messages = [
        part
        for part in (output if isinstance(output, list) else [])
        if isinstance(part, dict)
        and (part.get("type"), part.get("role")) == ("message", "assistant")
    ]
    return text_of(messages)


def _failure(verdict: Verdict) -> dict[str, Any]:
    if not isinstance(verdict, Unscored):
        return {"mask_sample": False, "failure_kind": None, "failure_reason": None}
    return {
        "mask_sample": True,
        "failure_kind": _failure_kind(verdict.error),
        "failure_reason": clean(str(verdict.error)),
    }


def _failure_kind(error: RewardError) -> str:
    if isinstance(error, BadTruth | BadRequest):
        return f"reward_service:{error.code}"
    return "verifier_error"


@router.post("/seed_session", name="seed_session", responses=answers(GymSession))
@router.post("/close_session", name="close_session", responses=answers(GymSession))
@router.post("/ng-rollout/{rollout}/seed_session", include_in_schema=False)
@router.post("/ng-rollout/{rollout}/close_session", include_in_schema=False)
async def session() -> Response:
    """Begin or end a session, of which there is nothing to keep."""
    return json_response({})


@router.get("/reverify_mode")
async def reverify_mode() -> ReverifyMode:
    """Say that a rollout may be verified again, any time and anywhere."""
    return "stateless"


@router.post(
    "/aggregate_metrics",
    openapi_extra=ROWS.document,
    responses=answers(GymMetrics, *READING_A_BODY),
)
async def aggregate_metrics(asked: Annotated[GymVerifiedRows, Depends(ROWS)]) -> Response:
    """Average what was measured, over the rows that have a verdict."""
    measured = [row.model_dump() for row in asked.verify_responses if not row.mask_sample]
    values = {name: [row[name] for row in measured if row[name] is not None] for name in MEASURED}
    means = {f"mean/{name}": fmean(found) for name, found in values.items() if found}
    key = {name: value for name, value in means.items() if name == "mean/reward"}
    return json_response({"group_level_metrics": [], "agent_metrics": means, "key_metrics": key})
