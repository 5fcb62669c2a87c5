"""`reward-service serve`: start the service."""

import asyncio
import os
import socket
from contextlib import ExitStack, nullcontext
from dataclasses import replace

import typer
import uvloop

from service.api.app import build_app
from service.bootstrap import open_container
from service.commands.options import settings_signature
from service.errors import BadSettings, ServiceError
from service.server import Patience, Server, cancel_on_signals, is_open, listen
from service.settings import Settings
from service.telemetry.logs import configure_logs

INTERRUPTED = 130


def serve(**given: str | None) -> None:
    """Start the service. Every option may come as an environment variable instead."""
    try:
        settings = Settings.read(os.environ, **{k: v for k, v in given.items() if v is not None})
        configure_logs(level=settings.log_level, form=settings.log_format)
        with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
            runner.run(_serve(settings))
    except ServiceError as error:
        typer.echo(f"reward-service: {error}", err=True)
        raise typer.Exit(1) from None
    except asyncio.CancelledError:
        raise typer.Exit(INTERRUPTED) from None


serve.__signature__ = settings_signature()  # type: ignore[attr-defined]  # typer reads them here


async def _serve(settings: Settings) -> None:
    cancel_on_signals()
    patience = Patience(
        header_timeout_s=settings.header_timeout_s,
        keep_alive_s=settings.keep_alive_s,
        drain_delay_s=settings.drain_delay_s,
        drain_timeout_s=settings.drain_timeout_s,
    )
    with ExitStack() as stack:
        listener = stack.enter_context(listen(settings.host, settings.port))
        listeners, metrics_port = [listener], None
        _check_access(settings, listener)
        if settings.metrics_port is not None:
            listeners.append(stack.enter_context(listen(settings.host, settings.metrics_port)))
            metrics_port = listeners[1].getsockname()[1]
        async with open_container(settings) as opened:
            container = replace(opened, metrics_port=metrics_port)
            app = build_app(lambda: nullcontext(container))
            await Server(app, container.lifecycle, patience).serve(listeners)


def _check_access(settings: Settings, listener: socket.socket) -> None:
    if settings.keys is None and not settings.allow_anyone and is_open(listener):
        raise BadSettings(
            f"host {settings.host} lets other machines in, and there are no keys: expected --keys"
            " FILE, which `reward-service keys new` makes, or --allow-anyone true"
        )
