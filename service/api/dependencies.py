"""What handlers are given to work with: the container, the caller's patience, an answer."""

import asyncio
from collections.abc import Coroutine
from typing import Annotated, Any, TypeVar

import orjson
from fastapi import Depends
from starlette.requests import Request
from starlette.responses import Response

from service.container import Container

Result = TypeVar("Result")


def container_of(request: Request) -> Container:
    """The parts of the service that answers `request`."""
    container: Container = request.app.state.container
    return container


Parts = Annotated[Container, Depends(container_of)]


class CallerLeft(ConnectionError):
    """Nobody waits for the answer any more."""


async def unless_gone(request: Request, work: Coroutine[Any, Any, Result]) -> Result:
    """Return what `work` comes to; cancel it and raise `CallerLeft` when the caller leaves first.

    For work without effects only. The body must have been read.
    """
    task = asyncio.ensure_future(work)
    departure = asyncio.ensure_future(_departure(request))
    try:
        await asyncio.wait({task, departure}, return_when=asyncio.FIRST_COMPLETED)
        if not task.done():
            raise CallerLeft
        return task.result()
    finally:
        task.cancel()
        departure.cancel()


async def _departure(request: Request) -> None:
    while (await request.receive())["type"] != "http.disconnect":
        pass


def json_response(content: object) -> Response:
    """An answer whose every value is what JSON can hold."""
    return Response(orjson.dumps(content), media_type="application/json")
