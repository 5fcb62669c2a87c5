"""Bodies read under their limits, and parsed in one go."""

import asyncio
import time
from collections.abc import AsyncIterator, Callable
from typing import Any, Generic, TypeVar

from pydantic import TypeAdapter, ValidationError
from starlette.requests import ClientDisconnect, Request

from service.api.dependencies import CallerLeft, container_of
from service.api.openapi import component
from service.api.places import place_of_surrogate
from service.api.problems import misfit
from service.api.repeats import RepeatedName, refuse_repeated_names
from service.api.schemas.base import WireModel
from service.container import Limits
from service.errors import TooLarge, TooSlow, UnsupportedEncoding

# A million boxes; a parser needs a second for many more, in which nothing else is served.
MOST_BRACKETS = 2_000_000
# Larger ones are parsed in a thread: it is no faster, but the event loop gets its turns.
LARGE_BODY = 2**20
SLOWEST_BYTES_S = 2**16
# What the parser says of a surrogate without its other half, of which it knows no place.
HALF_CHARACTER = "hex escape"

Record = TypeVar("Record", bound=WireModel)
Parsed = TypeVar("Parsed")


async def read_body(request: Request, limits: Limits) -> bytes:
    """Read a body whole; raise without reading on where it is compressed, too large or too slow."""
    _check_encoding(request)
    _check_size(_announced(request), limits)
    body = bytearray()
    try:
        async with asyncio.timeout(limits.body_timeout_s):
            async for chunk in request.stream():
                body += chunk
                _check_size(len(body), limits)
    except ClientDisconnect:
        raise CallerLeft from None
    except TimeoutError:
        raise TooSlow(f"expected the whole body within {limits.body_timeout_s:g} s") from None
    return bytes(body)


async def stream_body(request: Request, *, most: int, patience_s: float) -> AsyncIterator[bytes]:
    """Give a body piece by piece; raise as `read_body` does, and `TooSlow` for one that drips.

    It may take `patience_s` and a second for each `SLOWEST_BYTES_S`. Only the announced size is
    checked here; who takes the pieces counts them.
    """
    _check_encoding(request)
    if _announced(request) > most:
        raise TooLarge(f"expected at most {most} bytes in the body", upload_bytes=most)
    pieces, received, begun = request.stream(), 0, time.monotonic()
    try:
        while True:
            left_s = begun + patience_s + received / SLOWEST_BYTES_S - time.monotonic()
            async with asyncio.timeout(left_s):
                piece = await anext(pieces, None)
            if piece is None:
                return
            received += len(piece)
            yield piece
    except ClientDisconnect:
        raise CallerLeft from None
    except TimeoutError:
        raise TooSlow(f"expected at least {SLOWEST_BYTES_S} bytes of the body a second") from None


def _check_encoding(request: Request) -> None:
    encoding = request.headers.get("content-encoding", "identity")
    if encoding.strip().lower() != "identity":
        raise UnsupportedEncoding(
            f"expected an uncompressed body, got content-encoding {encoding!r}"
        )


def _announced(request: Request) -> int:
    length = request.headers.get("content-length", "0")
    return int(length) if length.isdecimal() else 0


def _check_size(size: int, limits: Limits) -> None:
    if size > limits.body_bytes:
        raise TooLarge(
            f"expected at most {limits.body_bytes} bytes in the body, got {size} or more",
            body_bytes=limits.body_bytes,
        )


async def parse_aside(parse: Callable[[bytes], Parsed], body: bytes) -> Parsed:
    """Return what `parse` makes of a body; a large one does not keep the event loop waiting."""
    if len(body) < LARGE_BODY:
        return parse(body)
    return await asyncio.to_thread(parse, body)


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
        with container.stages("read"):
            body = await read_body(request, container.limits)
        with container.stages("parse"):
            return await self.read(body)

    async def read(self, body: bytes) -> Record:
        """Return the record that a body holds, or raise `InvalidRequest`."""
        return await parse_aside(self._parse, body)

    def _parse(self, body: bytes) -> Record:
        if body.count(b"[") + body.count(b"{") > MOST_BRACKETS:
            raise TooLarge(
                f"expected at most {MOST_BRACKETS} brackets in the body", brackets=MOST_BRACKETS
            )
        try:
            record = self._adapter.validate_json(body)
        except ValidationError as error:
            found = error.errors(include_url=False, include_input=False, include_context=False)
            if HALF_CHARACTER in found[0]["msg"]:
                found[0]["loc"] = place_of_surrogate(body)
            raise misfit(found) from None
        try:
            refuse_repeated_names(body)
        except RepeatedName as error:
            raise misfit([{"type": "repeated", "loc": error.path, "msg": str(error)}]) from None
        return record
