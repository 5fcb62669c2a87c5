"""Every error as an RFC 9457 problem, by one table."""

from collections.abc import Mapping, Sequence
from http import HTTPStatus
from types import MappingProxyType
from typing import Any

import orjson
from fastapi import FastAPI
from fastapi.exceptions import RequestValidationError
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response

from rewards import errors as rewards
from service import errors as service
from service.api.schemas.base import FieldError, Problem
from service.engine.results import clean

MEDIA_TYPE = "application/problem+json"
MOST_FIELD_ERRORS = 20
CHALLENGE = 'Bearer realm="reward-service", Basic realm="reward-service"'

Known = rewards.RewardError | service.ServiceError

STATUS: Mapping[type[Exception], int] = {
    rewards.RewardError: 500,
    rewards.BadRequest: 422,
    rewards.UnknownKind: 422,
    rewards.UnknownSpec: 422,
    rewards.BadSpec: 422,
    rewards.UnknownEstimator: 422,
    rewards.BadRollouts: 422,
    rewards.MissingInput: 422,
    rewards.BadMedia: 422,
    rewards.NoModel: 422,
    rewards.BadTruth: 422,
    rewards.BadModel: 500,
    rewards.ScorerUnavailable: 503,
    rewards.ModelFailed: 503,
    rewards.OutOfTime: 504,
    rewards.ScorerFailed: 500,
    rewards.WorkerDied: 503,
    service.ServiceError: 500,
    service.BadSettings: 500,
    service.Refused: 400,
    service.InvalidRequest: 422,
    service.TooLarge: 413,
    service.TooSlow: 408,
    service.UnsupportedEncoding: 415,
    service.UnknownRun: 404,
    service.StepConflict: 409,
    service.StepOutOfOrder: 409,
    service.RunSettingsDiffer: 409,
    service.RunExists: 409,
    service.RunMoved: 409,
    service.HistoryTrimmed: 409,
    service.MediaMissing: 424,
    service.Unauthenticated: 401,
    service.Forbidden: 403,
    service.Unavailable: 503,
    service.Overloaded: 429,
    service.Draining: 503,
    service.StateUnavailable: 503,
    service.ShardsMissing: 504,
}


HTTP_CODES: Mapping[int, str] = {404: "not_found", 405: "method_not_allowed"}


class AtFields(Exception):
    """An error, and the fields of the request that it is about."""

    def __init__(self, cause: Known, fields: Sequence[FieldError]) -> None:
        super().__init__(str(cause))
        self.cause = cause
        self.fields = fields


def pointer(*path: object) -> str:
    """A JSON Pointer (RFC 6901).

    >>> pointer("items", 3, "ground_truth", "a/b")
    '/items/3/ground_truth/a~1b'
    """
    return "".join(f"/{str(part).replace('~', '~0').replace('/', '~1')}" for part in path)


def misfit(found: Sequence[Mapping[str, Any]]) -> AtFields:
    """What pydantic found wrong: each field is named, nothing of what was sent is repeated."""
    fields = [
        FieldError(pointer=clean(pointer(*one["loc"])), detail=clean(one["msg"]))
        for one in found[:MOST_FIELD_ERRORS]
    ]
    message = f"{fields[0].pointer or 'the body'}: {fields[0].detail}"
    too_long = any(one["type"] == "too_long" for one in found)
    return AtFields((service.TooLarge if too_long else service.InvalidRequest)(message), fields)


def problem_of(error: Exception, state: Mapping[str, Any] = MappingProxyType({})) -> Problem:
    """What to tell the caller; of an error that nobody foresaw, only that it happened.

    >>> problem_of(service.Overloaded("the queue is full")).status
    429
    """
    fields = error.fields if isinstance(error, AtFields) else ()
    error = error.cause if isinstance(error, AtFields) else error
    if isinstance(error, HTTPException):
        status, code = error.status_code, HTTP_CODES.get(error.status_code, "http_error")
        title, detail = HTTPStatus(status).phrase, error.detail
    elif isinstance(error, Known):
        status, code = STATUS[type(error)], error.code
        title, detail = (type(error).__doc__ or "").splitlines()[0], str(error)
    else:
        status, code = 500, "internal_error"
        title, detail = "The service failed.", "this is a defect of the service; see its log"
    return Problem(
        type=f"urn:reward-service:problem:{code}",
        title=title,
        status=status,
        detail=clean(detail),
        code=code,
        retryable=isinstance(error, Known) and error.retryable,
        errors=list(fields),
        facts=getattr(error, "detail", {}) if isinstance(error, service.ServiceError) else {},
        request_id=state.get("request_id"),
        trace_id=state.get("trace_id"),
    )


def respond(error: Exception, state: Mapping[str, Any]) -> Response:
    """The answer to a request that ended in `error`, with the ids in its `state`."""
    problem = problem_of(error, state)
    headers = dict(getattr(error, "headers", None) or {})
    if problem.status in {429, 503} or isinstance(error, service.Unavailable):
        headers["Retry-After"] = str(getattr(error, "retry_after_s", 1))
    if problem.status == HTTPStatus.UNAUTHORIZED:
        headers["WWW-Authenticate"] = CHALLENGE
    body = orjson.dumps(problem.model_dump(), default=repr)
    return Response(body, problem.status, headers, MEDIA_TYPE)


def add_problem_handlers(app: FastAPI) -> None:
    """Answer every foreseen error of `app` with its problem."""

    async def handle(request: Request, error: Exception) -> Response:
        if isinstance(error, RequestValidationError):
            error = misfit(error.errors())
        response = respond(error, request.scope.get("state", {}))
        if response.status_code == HTTPStatus.METHOD_NOT_ALLOWED:
            # Starlette names the methods of one route; another may have the same path.
            path = getattr(request.scope.get("route"), "path", None)
            if methods := app.openapi()["paths"].get(path):
                response.headers["Allow"] = ", ".join(map(str.upper, methods))
        return response

    for kind in (AtFields, HTTPException, RequestValidationError, *Known.__args__):
        app.add_exception_handler(kind, handle)
