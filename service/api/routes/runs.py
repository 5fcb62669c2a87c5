"""`/runs`: look at runs, put them back, carry them elsewhere, remove them."""

from collections.abc import AsyncIterator
from http import HTTPStatus
from typing import Annotated

from fastapi import APIRouter, Depends, Header, Path, Query
from starlette.requests import Request
from starlette.responses import Response, StreamingResponse

from service.api.bodies import JsonBody
from service.api.dependencies import Parts, json_response
from service.api.openapi import READING_A_BODY, answers
from service.api.schemas.base import LAST_STEP, Name
from service.api.schemas.runs import (
    CloseStep,
    History,
    Rewind,
    RunDetail,
    Runs,
    RunState,
)
from service.api.steps import read_state, write_detail, write_line, write_run, write_state
from service.api.translate import read_spec
from service.container import Container
from service.engine.runs import Run
from service.engine.streams import StreamedStep

router = APIRouter(prefix="/runs", tags=["runs"])
LINES = "application/x-ndjson"
LONGEST_PAGE = 1000

RunName = Annotated[Name, Path(description="A run's name.")]
Limit = Annotated[int, Query(ge=1, le=LONGEST_PAGE, description="Most entries of the page.")]
REWIND, STATE, CLOSE = JsonBody(Rewind), JsonBody(RunState), JsonBody(CloseStep)


async def _detail(run: Run, parts: Container) -> Response:
    return json_response(write_detail(run, await parts.runs.oldest_step(run.name)))


@router.get("", responses=answers(Runs, 422, 503))
async def runs(
    parts: Parts,
    request: Request,
    after: Annotated[str, Query(max_length=128, description="Begin behind this name.")] = "",
    limit: Limit = 100,
) -> Response:
    """Every run that the caller's key is for, by name."""
    page = await parts.runs.overview(after=after, limit=limit, wanted=request.state.key.sees)
    following = page[-1].name if len(page) == limit else None
    return json_response({"runs": list(map(write_run, page)), "next": following})


@router.get("/{run}", responses=answers(RunDetail, 404, 422, 503))
async def run_detail(run: RunName, parts: Parts) -> Response:
    """A run: where it stands, what it is pinned to, and the moving average of every task."""
    return await _detail(await parts.runs.find(run), parts)


@router.get("/{run}/history", responses=answers(History, 404, 422, 503))
async def history(
    run: RunName,
    parts: Parts,
    after: Annotated[int, Query(ge=-1, le=LAST_STEP, description="Begin behind this step.")] = -1,
    limit: Limit = 100,
    accept: Annotated[str, Header(include_in_schema=False)] = "",
) -> Response:
    """What each step did.

    With `Accept: application/x-ndjson`: the whole log of updates, which
    `reward-service verify-log` checks.
    """
    if LINES in accept:
        return StreamingResponse(await _log(run, parts), media_type=LINES)
    settings = (await parts.runs.find(run)).state.settings
    steps = await parts.runs.history(run, after=after, limit=limit)
    following = steps[-1].step if len(steps) == limit else None
    written = [write_line(line, settings) for line in steps]
    return json_response({"run": run, "steps": written, "next": following})


async def _log(run: str, parts: Container) -> AsyncIterator[bytes]:
    await parts.runs.find(run)
    return (line + b"\n" async for line in parts.runs.lines(run))


@router.post(
    "/{run}/rewind",
    openapi_extra=REWIND.document,
    responses=answers(RunDetail, *READING_A_BODY, 404, 409, 503),
)
async def rewind(run: RunName, asked: Annotated[Rewind, Depends(REWIND)], parts: Parts) -> Response:
    """Put a run back to where it stood after a step, for a job that resumes from a checkpoint.

    What came later is forgotten: those steps are taken anew, and the same bodies get the same
    bytes as the first time. Where the step itself was not taken, the last one before it counts.
    """
    back = await parts.runs.rewind(run, asked.step, expected_version=asked.expected_version)
    return await _detail(back, parts)


@router.post(
    "/{run}/close",
    openapi_extra=CLOSE.document,
    responses=answers(RunDetail, *READING_A_BODY, 404, 409, 503),
)
async def close(
    run: RunName, asked: Annotated[CloseStep, Depends(CLOSE)], parts: Parts
) -> Response:
    """Fold the rewards that were streamed for a step; a step that is closed already stays so."""
    step = StreamedStep(run=run, step=asked.step, spec=read_spec(asked.spec, parts))
    await parts.streams.close(step)
    return await _detail(await parts.runs.find(run), parts)


@router.get("/{run}/state", responses=answers(RunState, 404, 422, 503))
async def export(run: RunName, parts: Parts) -> Response:
    """All that the run's next step starts from; bring it in again with `PUT`."""
    return json_response(write_state(await parts.runs.find(run)))


@router.put(
    "/{run}/state",
    openapi_extra=STATE.document,
    responses=answers(RunDetail, *READING_A_BODY, 409, 503),
)
async def bring_in(
    run: RunName,
    asked: Annotated[RunState, Depends(STATE)],
    parts: Parts,
    *,
    replace: Annotated[bool, Query(description="Replace a run of that name.")] = False,
) -> Response:
    """Make a run stand where an exported one stood; its next step is the same to the last bit."""
    return await _detail(await parts.runs.bring_in(run, read_state(asked), replace=replace), parts)


@router.delete(
    "/{run}",
    status_code=HTTPStatus.NO_CONTENT,
    responses=answers(None, 404, 422, 503),
    response_class=Response,
)
async def delete(run: RunName, parts: Parts) -> None:
    """Remove a run, its history and its answers."""
    await parts.runs.delete(run)
