"""The composition root: from settings to a container of ready parts."""

import os
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

from prometheus_client import disable_created_metrics

from rewards.errors import BadModel, RewardError
from rewards.specs import BUILT_IN, Spec, find_spec, read_spec
from service.access.file import KeyFile
from service.container import Container, Limits
from service.engine.admission import Admission, Capacity
from service.engine.advantages import AdvantageEngine, Follower
from service.engine.heap import settled_heap
from service.engine.isolation.cases import IsolationLimits
from service.engine.isolation.pool import IsolatedPool
from service.engine.runs import RunLedger
from service.engine.scoring import ScoringEngine
from service.engine.step_metrics import StepMetrics
from service.engine.streams import StreamEngine
from service.engine.update_log import UpdateLog
from service.errors import BadSettings
from service.looking import Looking, open_looking
from service.models import similarity_model
from service.settings import Settings
from service.state.memory import MemoryStore
from service.state.records import Retention
from service.state.redis.store import RedisStore
from service.state.sqlite.store import SqliteStore
from service.state.store import RunStore
from service.state.timed import TimedStore
from service.state.watch import StoreWatch
from service.telemetry.metrics import Metrics
from service.telemetry.stages import Stages
from service.telemetry.tasks import TaskLabels
from service.tracing import open_stages


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
    tasks = TaskLabels(settings.metric_tasks)
    metrics = Metrics(version=release, tasks=tasks, most_runs=settings.metric_runs)
    admission = Admission(read_capacity(settings))
    metrics.follow("admission", admission.usage)
    async with (
        # What fails at once comes before what takes its time.
        open_keys(settings, metrics) as keys,
        open_stages(settings, metrics, release) as stages,
        open_runs(settings, metrics, stages) as kept,
        open_looking(settings, metrics) as looking,
        open_scoring(settings, metrics, stages, looking) as scoring,
    ):
        with settled_heap():
            container = Container(
                scoring=scoring,
                advantages=kept.advantages,
                streams=kept.streams,
                runs=kept.runs,
                specs=specs,
                default_spec=settings.spec,
                limits=read_limits(settings, looking),
                admission=admission,
                metrics=metrics,
                stages=stages,
                probes=(scoring.health, kept.watch.health, *([keys.health] if keys else [])),
                vital=frozenset({"rules"}),
                version=release,
                media=looking.library if looking else None,
                keys=keys,
            )
            metrics.watch(container.health)
            yield container


@asynccontextmanager
async def open_keys(settings: Settings, metrics: Metrics) -> AsyncIterator[KeyFile | None]:
    """Read the keys, if there is a file of them, and go on reading it."""
    if settings.keys is None:
        yield None
        return
    async with KeyFile(settings.keys) as keys:
        metrics.follow("keys", keys.usage)
        yield keys


def read_capacity(settings: Settings) -> Capacity:
    """How much may be inside at once."""
    return Capacity(
        body_bytes=max(settings.max_held_bytes, settings.max_body_bytes),
        waiting_items=settings.max_waiting_items,
        active_items=settings.max_active_items,
        tokens=settings.polar_waiting_tokens if settings.polar else None,
        pixels=settings.mask_waiting_px if settings.sam2 else None,
        active_pixels=settings.mask_px if settings.sam2 else None,
    )


def read_limits(settings: Settings, looking: Looking | None) -> Limits:
    """How much may be asked for, in one request and at once."""
    return Limits(
        body_bytes=settings.max_body_bytes,
        items=settings.max_items,
        rollouts=settings.max_rollouts,
        shards_deadline_ms=round(1000 * settings.shards_deadline_s),
        deadline_ms=settings.max_deadline_ms,
        body_timeout_s=settings.body_timeout_s,
        capacity=read_capacity(settings),
        media=looking.limits if looking else None,
    )


@asynccontextmanager
async def open_scoring(
    settings: Settings, metrics: Metrics, stages: Stages, looking: Looking | None = None
) -> AsyncIterator[ScoringEngine]:
    """Start the engine and its workers, and stop them."""
    limits = IsolationLimits(
        workers=settings.workers or len(os.sched_getaffinity(0)),
        cpu_s=settings.worker_cpu_s,
        memory_bytes=settings.worker_memory_bytes,
    )
    pool = IsolatedPool(limits, lambda reason: metrics.worker_kills.labels(reason).inc())
    similarity = similarity_model(settings)
    engine = ScoringEngine(
        pool,
        stages=stages,
        similarity=similarity,
        masks=looking.lane if looking else None,
        cached_characters=settings.cache_characters,
    )
    try:
        await engine.start()
        metrics.follow("isolated", pool.usage)
        metrics.follow("cache", engine.cache.usage)
        if similarity is not None:
            metrics.follow("similarity", similarity.usage)
        yield engine
    except BadModel as error:
        raise BadSettings(f"polar: {error}") from None
    finally:
        await engine.close()


@dataclass(frozen=True, slots=True)
class KeptRuns:
    """Whatever works on the runs of one store."""

    advantages: AdvantageEngine
    streams: StreamEngine
    runs: RunLedger
    watch: StoreWatch


@asynccontextmanager
async def open_runs(
    settings: Settings, metrics: Metrics, stages: Stages
) -> AsyncIterator[KeptRuns]:
    """Open the store and the log of updates, and close them."""
    async with AsyncExitStack() as stack:
        store = TimedStore(await open_store(settings), stages.store)
        stack.push_async_callback(store.close)
        watch = await stack.enter_async_context(StoreWatch(store))
        followers: tuple[Follower, ...] = (StepMetrics(metrics),)
        if settings.update_log is not None:
            log = UpdateLog(settings.update_log, store)
            followers += (await stack.enter_async_context(log),)
        yield KeptRuns(
            AdvantageEngine(store, settings.shards_deadline_s, followers=followers),
            StreamEngine(store, followers=followers),
            RunLedger(store, followers=followers),
            watch,
        )


async def open_store(settings: Settings) -> RunStore:
    """Open the store that `settings.store` names; raise `BadSettings` where it cannot be used."""
    scheme, _, rest = settings.store.partition(":")
    retention = Retention(
        settings.record_steps,
        min(settings.answer_steps, settings.record_steps),
        settings.answer_expire_s,
    )
    if scheme == "memory":
        return MemoryStore(retention)
    if scheme == "sqlite":
        return await SqliteStore.open(rest, retention=retention, timeout_s=settings.store_timeout_s)
    return await RedisStore.open(
        settings.store,
        retention=retention,
        timeout_s=settings.store_timeout_s,
        allow_unsafe=settings.allow_unsafe_store,
    )


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
