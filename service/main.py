"""The ASGI entry point: `uvicorn --factory service.main:create_app`."""

import os
from functools import partial

from service.api.app import App, build_app
from service.bootstrap import open_container
from service.errors import BadSettings
from service.settings import Settings
from service.telemetry.logs import configure_logs


def create_app() -> App:
    """Return the application as the environment sets it up; exit with one line where it cannot."""
    try:
        settings = Settings.read(os.environ)
    except BadSettings as error:
        raise SystemExit(f"reward-service: {error}") from None
    configure_logs(level=settings.log_level, form=settings.log_format)
    return build_app(partial(open_container, settings))
