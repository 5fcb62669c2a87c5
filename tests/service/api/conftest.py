"""A real server on a real socket, with an engine that scores in process and can be told to fail."""

import asyncio
import socket
import threading
import time
from collections.abc import Iterator
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass, field
from typing import Any

import orjson
import pytest
import urllib3
import uvicorn

from rewards.pipeline import score_batch
from rewards.ports import Health
from rewards.score import Unscored
from rewards.specs import BUILT_IN, RELEASED
from service.api.app import App, build_app
from service.container import Container, Limits
from service.engine.admission import Admission, Capacity
from service.engine.advantages import AdvantageEngine
from service.engine.runs import RunLedger
from service.engine.step_metrics import StepMetrics
from service.engine.streams import StreamEngine
from service.state.memory import MemoryStore
from service.state.timed import TimedStore
from service.telemetry.metrics import Metrics
from service.telemetry.stages import Stages

LIMITS = Limits(
    body_bytes=200_000,
    items=64,
    rollouts=64,
    shards_deadline_ms=500,
    deadline_ms=5_000,
    body_timeout_s=3.0,
    capacity=Capacity(body_bytes=400_000, waiting_items=128, active_items=64),
)


@dataclass
class Engine:
    """Scores inline; raises `error`, gives `verdict` to all, or waits, where a test says so."""

    error: Exception | None = None
    verdict: Unscored | None = None
    delay_s: float = 0.0
    batches: list[Any] = field(default_factory=list)
    deadlines: list[float | None] = field(default_factory=list)
    owners: list[str] = field(default_factory=list)
    cancelled: int = 0

    async def score(self, samples, spec, *, owner="", deadline=None):
        """Score by the rules, here and now."""
        self.batches.append(samples)
        self.deadlines.append(deadline)
        self.owners.append(owner)
        if self.error is not None:
            raise self.error
        try:
            await asyncio.sleep(self.delay_s)
        except asyncio.CancelledError:
            self.cancelled += 1
            raise
        return [self.verdict] * len(samples) if self.verdict else score_batch(samples, spec)


@dataclass
class Service:
    """A running service, and what a test may turn about it."""

    port: int
    engine: Engine
    container: Container
    health: dict[str, Health]
    http: urllib3.PoolManager = field(default_factory=lambda: urllib3.PoolManager(retries=False))

    def get(self, path, method="GET", **options):
        """Send a request without a body."""
        return self.http.request(method, f"http://127.0.0.1:{self.port}{path}", **options)

    def post(self, path, body, **headers):
        """Send bytes as they are, anything else as JSON."""
        data = body if isinstance(body, bytes) else orjson.dumps(body)
        url = f"http://127.0.0.1:{self.port}{path}"
        return self.http.request("POST", url, body=data, headers=headers)

    def connect(self, source=""):
        """A bare connection, for what no HTTP client would send."""
        return socket.create_connection(
            ("127.0.0.1", self.port), timeout=10, source_address=(source, 0)
        )

    def wait_until(self, holds, within_s=10.0):
        """Return once `holds()` is true; fail when that takes too long."""
        deadline = time.monotonic() + within_s
        while not holds():
            assert time.monotonic() < deadline, "waited in vain"
            time.sleep(0.01)

    def sample(self, name, **labels):
        """The value of one series of `/metrics`, 0 where it is not there yet."""
        return self.container.metrics.registry.get_sample_value(name, labels) or 0.0


@contextmanager
def serving(app) -> Iterator[int]:
    """Run `app` in a thread of its own; gives the port."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        server = uvicorn.Server(uvicorn.Config(app, log_config=None, lifespan="on"))
        thread = threading.Thread(target=server.run, kwargs={"sockets": [listener]})
        thread.start()
        try:
            while not server.started:
                thread.join(0.01)
                assert thread.is_alive()
            yield listener.getsockname()[1]
        finally:
            server.should_exit = True
            thread.join()


@pytest.fixture(scope="session")
def running_app() -> Iterator[tuple[App, int]]:
    """The application and its port, started once; its parts are put in by each test."""

    @asynccontextmanager
    async def opening():
        yield None

    app = build_app(opening)
    with serving(app) as port:
        yield app, port


@pytest.fixture
def service(running_app) -> Iterator[Service]:
    """A service with parts of its own for each test."""
    app, port = running_app
    engine, health = Engine(), {"rules": Health(ready=True), "model": Health(ready=True)}
    metrics = Metrics(version="0")
    stages, followers = Stages(metrics), (StepMetrics(metrics),)
    store = TimedStore(MemoryStore(), stages.store)
    app.state.container = Container(
        scoring=engine,
        advantages=AdvantageEngine(store, shards_deadline_s=0.5, followers=followers),
        streams=StreamEngine(store, followers=followers),
        runs=RunLedger(store, followers=followers),
        specs=BUILT_IN,
        default_spec=RELEASED,
        limits=LIMITS,
        admission=Admission(LIMITS.capacity),
        metrics=metrics,
        stages=stages,
        probes=(lambda: health,),
        vital=frozenset({"rules"}),
        version="0",
    )
    running = Service(port, engine, app.state.container, health)
    with running.http:
        yield running
