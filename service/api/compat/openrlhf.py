"""OpenRLHF's `--reward.remote_url`."""

from collections.abc import Sequence
from typing import Annotated

from fastapi import APIRouter, Depends, Query
from starlette.requests import Request
from starlette.responses import Response

from service.api.bodies import JsonBody
from service.api.compat.labels import Choices, numbers
from service.api.compat.transcripts import TURNS, cut_response
from service.api.compat.verdicts import Rollout, judge
from service.api.dependencies import Parts, json_response
from service.api.openapi import READING_A_BODY, answers
from service.api.schemas.compat import OpenRlhfAnswer, OpenRlhfBatch, OpenRlhfLogs
from service.errors import InvalidRequest

router = APIRouter(prefix="/compat/openrlhf", tags=["compatibility"])
BATCH = JsonBody(OpenRlhfBatch)
LOGGED = tuple(OpenRlhfLogs.model_fields)


@router.post(
    "/get_reward",
    openapi_extra=BATCH.document,
    responses=answers(OpenRlhfAnswer, *READING_A_BODY, 429, 500, 503),
)
async def get_reward(
    asked: Annotated[OpenRlhfBatch, Depends(BATCH)],
    choices: Annotated[Choices, Depends()],
    parts: Parts,
    request: Request,
    *,
    turn: Annotated[
        str | None, Query(min_length=1, description="What your template puts before a response.")
    ] = None,
) -> Response:
    """Score responses by their labels.

    A query that could not be scored gets the number `unscored`, and `scored` is 0 in its logs.
    """
    verdicts = await judge(
        _rollouts(asked, TURNS if turn is None else (turn,)), choices, parts, request
    )
    told = [numbers(verdict, choices.unscored) for verdict in verdicts]
    return json_response(
        {
            "rewards": [one["reward"] for one in told],
            "scores": [one["accuracy"] for one in told],
            "extra_logs": {name: [one[name] for one in told] for name in LOGGED},
        }
    )


def _rollouts(asked: OpenRlhfBatch, turns: Sequence[str]) -> list[Rollout]:
    count = len(asked.query)
    prompts = asked.prompts if asked.prompts is not None else [""] * count
    labels = asked.labels if asked.labels is not None else [None] * count
    if not count == len(prompts) == len(labels):
        raise InvalidRequest(
            f"expected lists of one length, got {count} queries, {len(prompts)} prompts and "
            f"{len(labels)} labels"
        )
    return [
        Rollout(
            label,
            ("labels", at),
            {"response": cut_response(query, prompt, turns), "prompt": prompt or None},
        )
        for at, (query, prompt, label) in enumerate(zip(asked.query, prompts, labels, strict=True))
    ]
