"""The door: a body comes in when there is room for all of it, before any of it is read."""

from starlette.datastructures import Headers
from starlette.types import ASGIApp, Receive, Scope, Send

from service.api.access import name_caller
from service.api.problems import respond
from service.container import Container
from service.errors import Overloaded

WITH_BODY = frozenset({"PATCH", "POST", "PUT"})


class Admit:
    """Holds room for a request's body for as long as the request is served.

    Requests without a body, probes and scrapes among them, always pass. A body of unknown length
    takes the room of the largest one allowed. Its run is not known before it is read, so callers
    share the room.
    """

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one request, or answer 429 at once."""
        if scope["type"] != "http" or scope["method"] not in WITH_BODY:
            await self._app(scope, receive, send)
            return
        container: Container = scope["app"].state.container
        largest = container.limits.body_bytes
        headers = Headers(scope=scope)
        length = headers.get("content-length", "")
        size = min(int(length), largest) if length.isdecimal() else largest
        caller = scope["state"]["caller"] = name_caller(headers, scope, container.keys)
        try:
            with container.admission.hold(caller, size):
                await self._app(scope, receive, send)
        except Overloaded as full:
            container.metrics.rejections.labels("bytes").inc()
            await respond(full, scope["state"])(scope, receive, send)
