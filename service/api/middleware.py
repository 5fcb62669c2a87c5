"""What surrounds every request: an id, a log line, its metrics, and an answer whatever happens."""

import asyncio
import re
import time
import uuid

import structlog
from starlette.datastructures import Headers, MutableHeaders
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from service.api.dependencies import CallerLeft
from service.api.ports import METRICS, PROBES
from service.api.problems import respond
from service.container import Container
from service.errors import Draining
from service.telemetry.logs import frames
from service.telemetry.stages import Span

log = structlog.get_logger()

REQUEST_ID = re.compile(r"[A-Za-z0-9_.:-]{1,128}")
METHODS = frozenset({"DELETE", "GET", "HEAD", "OPTIONS", "PATCH", "POST", "PUT"})
CALLER_LEFT = 499
QUIET_ROUTES = PROBES | {METRICS}


class Exchange:
    """One request and its answer, as they pass by."""

    def __init__(self, scope: Scope, receive: Receive, send: Send) -> None:
        headers = Headers(scope=scope)
        asked_id = headers.get("x-request-id", "")
        self.request_id = asked_id if REQUEST_ID.fullmatch(asked_id) else uuid.uuid4().hex
        self.started = time.monotonic()
        self.status = CALLER_LEFT
        self.bytes_in = self.bytes_out = 0
        self._unread = "transfer-encoding" in headers or headers.get("content-length", "0") != "0"
        self._receive, self._send = receive, send
        self.scope = scope
        self.notes: dict[str, object] = {}
        self.span: Span | None = None
        scope.setdefault("state", {}).update(
            request_id=self.request_id, started=self.started, notes=self.notes
        )

    def follow(self, span: Span) -> None:
        """Tell callers and logs which trace this belongs to."""
        self.span = span
        self.notes["trace_id"] = self.scope["state"]["trace_id"] = span.trace_id

    @property
    def answering(self) -> bool:
        """Whether the head of the answer is on its way."""
        return self.status != CALLER_LEFT

    async def receive(self) -> Message:
        """The next part of the request, counted."""
        message = await self._receive()
        if message["type"] == "http.request":
            self.bytes_in += len(message.get("body", b""))
            self._unread = message.get("more_body", False)
        return message

    async def send(self, message: Message) -> None:
        """The next part of the answer, counted; the first carries the id of the request."""
        if message["type"] == "http.response.start":
            self.status = message["status"]
            headers = MutableHeaders(scope=message)
            headers["X-Request-Id"] = self.request_id
            if self._unread or self.scope["app"].state.container.lifecycle.draining:
                headers["Connection"] = "close"
        elif message["type"] == "http.response.body":
            self.bytes_out += len(message.get("body", b""))
        await self._send(message)


class Observe:
    """Lets no request pass unnumbered, uncounted or unanswered."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one connection."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        exchange = Exchange(scope, receive, send)
        container: Container = scope["app"].state.container
        tracing = container.stages.tracing
        if tracing is None or scope["path"] in QUIET_ROUTES:
            await self._serve(exchange, container)
            return
        with tracing.request(Headers(scope=scope)) as span:
            exchange.follow(span)
            await self._serve(exchange, container)

    async def _serve(self, exchange: Exchange, container: Container) -> None:
        with container.metrics.inflight.track_inprogress():
            try:
                await self._app(exchange.scope, exchange.receive, exchange.send)
            except CallerLeft:
                pass
            except asyncio.CancelledError:
                await _answer(exchange, Draining("this replica was stopped before it was done"))
                raise
            except Exception as error:  # noqa: BLE001 - the boundary of the whole service
                await _apologise(exchange, error)
            finally:
                _record(exchange, container)


async def _apologise(exchange: Exchange, error: Exception) -> None:
    # The one place where a defect of our own becomes an answer; its message may hold a payload.
    log.error(
        "failed",
        request_id=exchange.request_id,
        error=type(error).__qualname__,
        frames=frames(error),
    )
    if exchange.answering:
        raise error
    await _answer(exchange, error)


async def _answer(exchange: Exchange, error: Exception) -> None:
    if not exchange.answering:
        response = respond(error, exchange.scope["state"])
        await response(exchange.scope, exchange.receive, exchange.send)


def _record(exchange: Exchange, container: Container) -> None:
    seconds = time.monotonic() - exchange.started
    scope = exchange.scope
    route = getattr(scope.get("route"), "path", "other")
    method = scope["method"] if scope["method"] in METHODS else "other"
    if exchange.span is not None:
        exchange.span.describe(method=method, route=route, status=exchange.status)
    container.metrics.requests.labels(route, method, str(exchange.status)).inc()
    container.metrics.request_seconds.labels(route).observe(seconds)
    write = log.debug if route in QUIET_ROUTES else log.info
    write(
        "request",
        request_id=exchange.request_id,
        method=method,
        route=route,
        status=exchange.status,
        ms=round(seconds * 1000, 3),
        bytes_in=exchange.bytes_in,
        bytes_out=exchange.bytes_out,
        **exchange.notes,
    )
