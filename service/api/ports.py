"""What is served on which port, where metrics have one of their own."""

from http import HTTPStatus

from starlette.exceptions import HTTPException
from starlette.types import ASGIApp, Receive, Scope, Send

from service.api.problems import respond
from service.container import Container

METRICS = "/metrics"
PROBES = frozenset({"/livez", "/readyz"})


class Ports:
    """Answers 404 for whatever is asked for on the wrong port; probes are on both."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one request where it belongs."""
        if scope["type"] != "http" or _is_in_place(scope):
            await self._app(scope, receive, send)
            return
        await respond(HTTPException(HTTPStatus.NOT_FOUND), scope["state"])(scope, receive, send)


def is_at_metrics(scope: Scope) -> bool:
    """Whether a request came in by the port that metrics have for themselves."""
    container: Container = scope["app"].state.container
    port = container.metrics_port
    return port is not None and bool(scope["server"][1] == port)


def _is_in_place(scope: Scope) -> bool:
    container: Container = scope["app"].state.container
    if container.metrics_port is None or scope["path"] in PROBES:
        return True
    return is_at_metrics(scope) == bool(scope["path"] == METRICS)
