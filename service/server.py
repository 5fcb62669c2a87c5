"""uvicorn, made to drain for load balancers and to have no patience with who sends no request."""

import asyncio
import ipaddress
import os
import signal
import socket
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from types import FrameType
from typing import ClassVar

import structlog
import uvicorn
from starlette.types import ASGIApp, Message, Receive, Scope, Send
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol, RequestResponseCycle

from service.container import Lifecycle
from service.errors import BadSettings

log = structlog.get_logger()

SIGNALS = (signal.SIGINT, signal.SIGTERM)
BACKLOG = 2048
LARGEST_HEAD_BYTES = 2**16
LISTENERS = ("listening", "listening for metrics")


@dataclass(frozen=True, slots=True)
class Patience:
    """How long to wait for what, in seconds."""

    header_timeout_s: float
    keep_alive_s: int
    drain_delay_s: float
    drain_timeout_s: int


class Connection(HttpToolsProtocol):
    """A connection that is closed when the head of a request takes too long, or too many bytes.

    uvicorn waits for ever for the first request of a connection, and for the rest of any head.
    """

    header_timeout_s: ClassVar[float]
    _timer: asyncio.TimerHandle | None = None
    _in_head = True
    _head_bytes = 0

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]  # uvicorn's
        """Expect the first request."""
        super().connection_made(transport)
        self.app = partial(_while_open, self.app)
        self._hurry()

    def data_received(self, data: bytes) -> None:
        """Take in what came, unless it is a head without an end."""
        if self._in_head:
            self._head_bytes += len(data)
            if not self._is_serving():
                self._hurry()
        super().data_received(data)
        if self._head_bytes > LARGEST_HEAD_BYTES:
            self._refuse(b"431 Request Header Fields Too Large")

    def on_headers_complete(self) -> None:
        """Give the request all the time that it needs."""
        self._in_head, self._head_bytes = False, 0
        self._relax()
        super().on_headers_complete()

    def on_message_complete(self) -> None:
        """Take what comes now for the head of another request."""
        self._in_head = True
        super().on_message_complete()

    def connection_lost(self, exc: Exception | None) -> None:
        """Expect nothing any more."""
        self._relax()
        super().connection_lost(exc)

    def _is_serving(self) -> bool:
        cycle: RequestResponseCycle | None = self.cycle
        return cycle is not None and not cycle.response_complete

    def _hurry(self) -> None:
        if self._timer is None:
            late = b"408 Request Timeout"
            self._timer = self.loop.call_later(self.header_timeout_s, self._refuse, late)

    def _relax(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def _refuse(self, status: bytes) -> None:
        if not self.transport.is_closing():
            head = b"HTTP/1.1 " + status + b"\r\nconnection: close\r\ncontent-length: 0\r\n\r\n"
            self.transport.write(head)
            self.transport.close()


async def _while_open(app: ASGIApp, scope: Scope, receive: Receive, send: Send) -> None:
    """Run an application whose answer is dropped once the connection closes.

    uvicorn learns of that a moment later, and until then uvloop fails whatever is written.
    """
    cycle: RequestResponseCycle = send.__self__  # type: ignore[attr-defined]  # a method of it

    async def send_or_drop(message: Message) -> None:
        cycle.disconnected |= cycle.transport.is_closing()
        await send(message)

    await app(scope, receive, send_or_drop)


class Server(uvicorn.Server):
    """A server that drains.

    SIGTERM: not ready at once; serves on for the drain delay; then closes its listener, lets
    requests in flight finish within the drain timeout and returns. SIGINT: the same without the
    delay. A second signal, of either name, cancels whatever still runs.
    """

    def __init__(self, app: ASGIApp, lifecycle: Lifecycle, patience: Patience) -> None:
        limits = {"header_timeout_s": patience.header_timeout_s}
        super().__init__(
            uvicorn.Config(
                app,
                loop="uvloop",
                http=type("Connection", (Connection,), limits),
                ws="none",
                lifespan="on",
                log_config=None,
                log_level="warning",
                access_log=False,
                server_header=False,
                backlog=BACKLOG,
                timeout_keep_alive=patience.keep_alive_s,
                timeout_graceful_shutdown=patience.drain_timeout_s,
            )
        )
        self._lifecycle = lifecycle
        self._drain_delay_s = patience.drain_delay_s

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        """Begin to serve, and say where."""
        await super().startup(sockets)
        for event, listener in zip(LISTENERS, sockets or (), strict=False):
            host, port = listener.getsockname()[:2]
            log.info(event, host=host, port=port)

    @contextmanager
    def capture_signals(self) -> Iterator[None]:
        """Answer signals for as long as the server runs, and do not raise them again after."""
        self._task = asyncio.current_task()
        self._loop = asyncio.get_running_loop()
        for number in SIGNALS:
            self._loop.add_signal_handler(number, self.handle_exit, number, None)
        yield

    def handle_exit(self, sig: int, frame: FrameType | None) -> None:  # noqa: ARG002 - uvicorn's
        """Begin to drain, or give up where that has begun."""
        name = signal.Signals(sig).name
        if self._lifecycle.draining:
            log.warning("stopping now", signal=name)
            if self._task is not None:
                self._task.cancel()
            return
        delay_s = self._drain_delay_s if sig == signal.SIGTERM else 0.0
        log.info("draining", signal=name, delay_s=delay_s)
        self._lifecycle.draining = True
        self._loop.call_later(delay_s, self._stop)

    def _stop(self) -> None:
        self.should_exit = True


def is_open(listener: socket.socket) -> bool:
    """Whether other machines may reach what listens there."""
    return not ipaddress.ip_address(listener.getsockname()[0]).is_loopback


def cancel_on_signals() -> None:
    """Let a signal that comes before the server runs cancel the task that calls this."""
    task = asyncio.current_task()
    if task is not None:
        for number in SIGNALS:
            asyncio.get_running_loop().add_signal_handler(number, task.cancel)


def listen(host: str, port: int) -> socket.socket:
    """Return a socket bound to an address; raise `BadSettings` where that cannot be had."""
    try:
        family, *_, address = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[0]
        return socket.create_server(address[:2], family=family, backlog=BACKLOG)
    except OSError as error:
        # A failed look-up of a name has a negative number and a text of its own.
        why = os.strerror(error.errno) if error.errno and error.errno > 0 else error.strerror
        raise BadSettings(f"cannot listen on {host}:{port}: {why}") from None
