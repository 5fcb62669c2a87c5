"""The composition root: from settings to a container of ready parts."""

import os
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

from prometheus_client import disable_created_metrics

from rewards.errors import RewardError
from rewards.specs import BUILT_IN, Spec, find_spec, read_spec
from service.container import Container, Limits
from service.engine.isolation.cases import IsolationLimits
from service.engine.isolation.pool import IsolatedPool
from service.engine.scoring import ScoringEngine
from service.errors import BadSettings
from service.settings import Settings
from service.telemetry.metrics import Metrics


@asynccontextmanager
async def open_container(settings: Settings) -> AsyncIterator[Container]:
    """Open every part in order, and close them in reverse.

    Raises `BadSettings` for what an operator has to put right.
    """
    disable_created_metrics()  # type: ignore[no-untyped-call]  # the library leaves it bare
    specs = read_specs(settings.spec_files)
    try:
        find_spec(settings.spec, specs)
    except RewardError as error:
        raise BadSettings(f"spec: {error}") from None
    release = installed_version()
    metrics = Metrics(version=release)
    async with open_scoring(settings, metrics) as scoring:
        yield Container(
            scoring=scoring,
            specs=specs,
            default_spec=settings.spec,
            limits=Limits(
                body_bytes=settings.max_body_bytes,
                items=settings.max_items,
                deadline_ms=settings.max_deadline_ms,
                body_timeout_s=settings.body_timeout_s,
            ),
            metrics=metrics,
            probes=(scoring.health,),
            vital=frozenset({"rules"}),
            version=release,
        )


@asynccontextmanager
async def open_scoring(settings: Settings, metrics: Metrics) -> AsyncIterator[ScoringEngine]:
    """Start the engine and its workers, and stop them."""
    limits = IsolationLimits(
        workers=settings.workers or len(os.sched_getaffinity(0)),
        cpu_s=settings.worker_cpu_s,
        memory_bytes=settings.worker_memory_bytes,
    )
    pool = IsolatedPool(limits, lambda reason: metrics.worker_kills.labels(reason).inc())
    engine = ScoringEngine(pool, cached_characters=settings.cache_characters)
    try:
        await engine.start()
        yield engine
    finally:
        await engine.close()


def read_specs(files: Sequence[Path]) -> Mapping[str, Spec]:
    """Return the built-in specs and those of `files`, by name.

    A file may build on an earlier one. Raises `BadSettings`, naming the file.
    """
    specs = dict(BUILT_IN)
    for file in files:
        try:
            spec = read_spec(file.read_text(encoding="utf-8"), specs)
        except (OSError, UnicodeDecodeError, RewardError) as error:
            raise BadSettings(f"spec file {file}: {error}") from None
        if spec.name in specs:
            raise BadSettings(f"spec file {file}: there is already a spec named {spec.name!r}")
        specs[spec.name] = spec
    return specs


def installed_version() -> str:
    """The version that was installed, or `unknown` in a bare checkout."""
    try:
        return version("reward-service")
    except PackageNotFoundError:
        return "unknown"
