"""What handlers are given: the container, and bodies read under their limits."""

import asyncio
import time
from typing import Annotated, Any, Generic, TypeVar

import orjson
from fastapi import Depends
from pydantic import TypeAdapter, ValidationError
from starlette.requests import Request
from starlette.responses import Response

from service.api.openapi import component
from service.api.problems import misfit
from service.api.schemas.base import WireModel
from service.container import Container, Limits
from service.errors import TooLarge, TooSlow, UnsupportedEncoding

Record = TypeVar("Record", bound=WireModel)


def container_of(request: Request) -> Container:
    """The parts of the service that answers `request`."""
    container: Container = request.app.state.container
    return container


Parts = Annotated[Container, Depends(container_of)]


async def read_body(request: Request, limits: Limits) -> bytes:
    """Read a body whole; raise without reading on where it is compressed, too large or too slow."""
    encoding = request.headers.get("content-encoding", "identity")
    if encoding.strip().lower() != "identity":
        raise UnsupportedEncoding(
            f"expected an uncompressed body, got content-encoding {encoding!r}"
        )
    announced = request.headers.get("content-length", "0")
    _check_size(int(announced) if announced.isdecimal() else 0, limits)
    body = bytearray()
    try:
        async with asyncio.timeout(limits.body_timeout_s):
            async for chunk in request.stream():
                body += chunk
                _check_size(len(body), limits)
    except TimeoutError:
        raise TooSlow(f"expected the whole body within {limits.body_timeout_s:g} s") from None
    return bytes(body)


def _check_size(size: int, limits: Limits) -> None:
    if size > limits.body_bytes:
        raise TooLarge(
            f"expected at most {limits.body_bytes} bytes in the body, got {size} or more",
            body_bytes=limits.body_bytes,
        )


class JsonBody(Generic[Record]):
    """A dependency that reads the body as one record, in one pass over its bytes.

    FastAPI would parse it to Python objects first, by a parser that lets NaN through, and then
    validate those: half as fast again. `document` is for a route's `openapi_extra`.
    """

    def __init__(self, record: type[Record]) -> None:
        self._adapter: TypeAdapter[Record] = TypeAdapter(record)
        self.document: dict[str, Any] = {
            "requestBody": {
                "required": True,
                "content": {"application/json": {"schema": component(record)}},
            }
        }

    async def __call__(self, request: Request) -> Record:
        """Return the record; raise `InvalidRequest` at the fields that do not fit."""
        container = container_of(request)
        body = await read_body(request, container.limits)
        started = time.perf_counter()
        try:
            return self._adapter.validate_json(body)
        except ValidationError as error:
            raise misfit(
                error.errors(include_url=False, include_input=False, include_context=False)
            ) from None
        finally:
            elapsed = time.perf_counter() - started
            container.metrics.stage_seconds.labels("parse").observe(elapsed)


def json_response(content: object) -> Response:
    """An answer whose every value is what JSON can hold."""
    return Response(orjson.dumps(content), media_type="application/json")
