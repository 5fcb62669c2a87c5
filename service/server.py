"""uvicorn, made to leave a load balancer time to look away before it stops."""

import asyncio
import os
import signal
import socket
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from types import FrameType

import structlog
import uvicorn
from starlette.types import ASGIApp

from service.container import Lifecycle
from service.errors import BadSettings

log = structlog.get_logger()

SIGNALS = (signal.SIGINT, signal.SIGTERM)
BACKLOG = 2048


@dataclass(frozen=True, slots=True)
class Patience:
    """How long to wait for what, in seconds."""

    keep_alive_s: int
    drain_delay_s: float
    drain_timeout_s: int


class Server(uvicorn.Server):
    """A server that drains.

    SIGTERM: not ready at once; serves on for the drain delay; then closes its listener, lets
    requests in flight finish within the drain timeout and returns. SIGINT: the same without the
    delay. A second signal, of either name, cancels whatever still runs.
    """

    def __init__(self, app: ASGIApp, lifecycle: Lifecycle, patience: Patience) -> None:
        super().__init__(
            uvicorn.Config(
                app,
                loop="uvloop",
                http="httptools",
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
        for listener in sockets or ():
            host, port = listener.getsockname()[:2]
            log.info("listening", host=host, port=port)

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
