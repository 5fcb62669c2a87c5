"""The ASGI entry point: `uvicorn --factory service.main:create_app`."""

import os
from functools import partial

from service.api.app import App, build_app
from service.bootstrap import open_container
from service.errors import BadSettings
from service.settings import Settings
from service.telemetry.logs import configure_logs


def create_app() -> App:
    """Return the application as the environment sets it up; exit with one line where it cannot.

    How it listens, and how it stops, is up to the server that runs it.
    """
    try:
        settings = Settings.read(os.environ)
        _check_listening(settings)
    except BadSettings as error:
        raise SystemExit(f"reward-service: {error}") from None
    configure_logs(level=settings.log_level, form=settings.log_format)
    return build_app(partial(open_container, settings))


def _check_listening(settings: Settings) -> None:
    if settings.keys is None and not settings.allow_anyone:
        raise BadSettings(
            "another server may listen on any address, and there are no keys: expected"
            " REWARDS_KEYS=FILE, which `reward-service keys new` makes, or"
            " REWARDS_ALLOW_ANYONE=true"
        )
    if settings.metrics_port is not None:
        raise BadSettings(
            "metrics_port: only `reward-service serve` can listen there; without it /metrics is on"
            " the main port"
        )
