"""The OpenAPI document, exact although handlers read and write bytes themselves."""

from collections.abc import Iterator
from typing import Any, Literal

from fastapi import FastAPI
from fastapi.openapi.utils import get_openapi
from pydantic import BaseModel

from service.api.access import ACCESS, listed
from service.api.schemas.base import Problem

COMPONENTS = "#/components/schemas/"
PROBLEM_STATUS = {
    400: "The request cannot be served.",
    401: "No key was given, or one that is not known.",
    403: "The key does not allow this.",
    404: "There is no such thing.",
    405: "The path does not take this method.",
    408: "The body did not arrive in time.",
    409: "The request contradicts what was done before.",
    413: "The request holds more than `GET /info` allows.",
    415: "The body is compressed.",
    422: "The body does not fit the schema, or names something unknown.",
    424: "Content that the request names was not uploaded.",
    429: "The queue is full; try again after `Retry-After` seconds.",
    500: "The service failed.",
    503: "Not available now; try again after `Retry-After` seconds.",
    504: "Not all was there in time; try again.",
}
READING_A_BODY = (408, 413, 415, 422)
KEYS = {
    "key": {
        "type": "http",
        "scheme": "bearer",
        "description": "A key from the service's `--keys` file; a service without one asks for"
        " none.",
    },
    "password": {
        "type": "http",
        "scheme": "basic",
        "description": "The same key as the password of any user, for callers that can be given a"
        " URL but no header: `http://anybody:KEY@rewards:8080`.",
    },
}


def component(
    record: type[BaseModel], mode: Literal["validation", "serialization"] = "validation"
) -> dict[str, Any]:
    """A reference to `record` in the document, with the definitions it needs along with it."""
    schema = record.model_json_schema(ref_template=COMPONENTS + "{model}", mode=mode)
    definitions = schema.pop("$defs", {})
    name = record.__name__
    return {"$ref": COMPONENTS + name, "$defs": {**definitions, name: schema}}


def answers(record: type[BaseModel] | None, *problems: int) -> dict[int | str, dict[str, Any]]:
    """The `responses` of a route: its answer as a `record`, and its `problems` by status."""
    documented: dict[int | str, dict[str, Any]] = {
        status: {
            "description": PROBLEM_STATUS[status],
            "content": {"application/problem+json": {"schema": component(Problem)}},
        }
        for status in problems
    }
    if record is not None:
        schema = component(record, "serialization")
        documented[200] = {
            "description": (record.__doc__ or "").strip(),
            "content": {"application/json": {"schema": schema}},
        }
    return documented


def openapi(app: FastAPI) -> dict[str, Any]:
    """Describe every route of `app`; definitions are gathered under `components`."""
    document = get_openapi(
        title=app.title, version=app.version, description=app.description, routes=app.routes
    )
    for methods in document["paths"].values():
        for operation in methods.values():
            _describe_access(operation)
    schemas = document.setdefault("components", {}).setdefault("schemas", {})
    for node in list(_objects(document["paths"])):
        schemas.update(node.pop("$defs", {}))
    document["components"]["schemas"] = dict(sorted(schemas.items()))
    document["components"]["securitySchemes"] = KEYS
    return document


def _describe_access(operation: dict[str, Any]) -> None:
    needed = ACCESS[operation["operationId"]]
    operation["security"] = [{name: []} for name in KEYS] if needed else []
    if needed:
        refusals = {str(status): refusal for status, refusal in answers(None, 401, 403).items()}
        refusals["403"]["description"] += f" It needs the scope {listed(needed)}."
        operation["responses"] |= refusals


def _objects(node: Any) -> Iterator[dict[str, Any]]:
    if isinstance(node, dict):
        yield node
        for child in list(node.values()):
            yield from _objects(child)
    elif isinstance(node, list):
        for child in node:
            yield from _objects(child)
