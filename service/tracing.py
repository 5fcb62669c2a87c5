"""Where traces go, as the settings say: a part of the composition root."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from service.errors import BadSettings
from service.settings import Settings
from service.telemetry.metrics import Metrics
from service.telemetry.stages import Stages


@asynccontextmanager
async def open_stages(settings: Settings, metrics: Metrics, release: str) -> AsyncIterator[Stages]:
    """Time stages; send traces of them where the settings say so, and the last ones at the end."""
    if settings.tracing is None:
        yield Stages(metrics)
        return
    try:
        from service.telemetry.tracing import OpenTelemetry
    except ModuleNotFoundError as error:
        raise BadSettings(
            f"tracing: {error.name} is missing; install reward-service[service,tracing]"
        ) from None
    tracing = OpenTelemetry(settings.tracing, version=release)
    try:
        yield Stages(metrics, tracing)
    finally:
        await asyncio.to_thread(tracing.close)
