"""More than the service can do, callers that leave, and a model that hangs."""

import asyncio
import threading
import time

import pytest

from tests.benchmarks.load.overload import OPTIONS, WAITING_ITEMS, batch, overload, peak_of
from tests.benchmarks.load.storm import storm
from tests.benchmarks.load.watch import gauges, holding
from tests.e2e.running import running
from tests.model_servers import hang, honest, serving

pytestmark = pytest.mark.slow

# As many as the event loop may keep for what blocks.
MOST_THREADS = 8
INSIDE = (
    "reward_admission_waiting_items",
    "reward_admission_active_items",
    "reward_admission_held_bytes",
    "reward_isolated_waiting_cases",
)


def inside(service):
    """What is inside the service: items, bytes and cases, nothing when it is at rest."""
    shown = gauges(service.get("/metrics").data.decode())
    return [shown[name] for name in INSIDE]


@pytest.fixture(scope="module")
def narrow():
    """A service with little room, whose workers have to think."""
    with running(*OPTIONS) as service:
        assert asyncio.run(peak_of(service, 1.0)) > 0
        yield service


@pytest.mark.promise(1)
@pytest.mark.promise(3)
@pytest.mark.promise(4)
@pytest.mark.promise(7)
def test_too_much_is_refused_at_once_and_the_rest_is_scored(narrow, faults):
    """Every batch is answered 200 or 429 with Retry-After; the queue keeps its bound.

    Afterwards every slot is back, and so is the memory; the probes answered all the time.
    """
    found = asyncio.run(overload(narrow, per_s=120, seconds=faults.overload_s))
    assert set(found.statuses) == {200, 429}
    assert sum(found.statuses.values()) == found.offered
    assert found.without_retry_after == 0
    assert 0 < found.most_waiting_items <= WAITING_ITEMS
    assert found.probes_refused == []
    assert found.after.rss_mib - found.before.rss_mib < 64
    narrow.wait_until(lambda: not any(inside(narrow)))


@pytest.mark.promise(13)
@pytest.mark.promise(15)
def test_a_storm_of_callers_that_leave_leaves_nothing_behind(narrow, faults):
    """Whoever connects, asks and leaves costs no slot, no file and no thread for longer."""
    narrow.wait_until(lambda: not any(inside(narrow)))
    before = holding(narrow.process.pid)
    assert storm(narrow.port, faults.leaving, batch(7)) == faults.leaving
    narrow.wait_until(lambda: not any(inside(narrow)))
    narrow.wait_until(lambda: holding(narrow.process.pid).fds <= before.fds + 8)
    after = holding(narrow.process.pid)
    assert after.threads <= before.threads + MOST_THREADS
    narrow.wait_until(lambda: holding(narrow.process.pid).zombies == 0)
    assert after.rss_mib - before.rss_mib < 64
    assert b"reward_http_inflight_requests 1.0" in narrow.get("/metrics").data


class Server(threading.Thread):
    """A model server in a thread, which hangs until it is told to be honest."""

    def __init__(self):
        super().__init__(daemon=True)
        self.ready, self.stopped = threading.Event(), threading.Event()

    def run(self):
        """Serve."""
        asyncio.run(self.serve())

    async def serve(self):
        """Serve until told to stop."""
        async with serving("vllm") as self.server:
            self.server.always = honest
            self.ready.set()
            await asyncio.to_thread(self.stopped.wait)


@pytest.mark.promise(12)
@pytest.mark.promise(46)
@pytest.mark.promise(47)
def test_a_model_that_hangs_harms_nobody_else_and_comes_back(faults):
    """Its items are late and unscored, other kinds go on, readiness says so until it answers."""
    model = Server()
    model.start()
    assert model.ready.wait(30)
    open_ended = {"kind": "open_ended", "prompt": "Say", "response": "<answer>a</answer>",
                  "ground_truth": "b"}  # fmt: skip
    ocr = {**open_ended, "kind": "ocr"}
    address = f"http+vllm://{model.server.address}/POLAR-7B"
    try:
        with running("--polar", address) as service:

            def part():
                return service.get("/readyz").json()["parts"]["similarity"]

            service.wait_until(lambda: part()["ready"])
            model.server.always = hang
            begun = time.monotonic()
            late, quick = service.post(
                "/reward", {"items": [open_ended, ocr], "deadline_ms": 3000}
            ).json()["results"]
            assert time.monotonic() - begun < 3.0 + faults.late_s
            assert (late["error"]["code"], late["error"]["retryable"]) == (
                "deadline_exceeded",
                True,
            )
            assert quick["status"] == "scored"
            service.wait_until(lambda: not part()["ready"])
            assert service.get("/readyz").json()["status"] == "degraded"
            assert service.get("/livez").status == 200
            assert (
                service.post("/reward", {"items": [ocr]}).json()["results"][0]["reward"] is not None
            )
            asked = len(model.server.calls)
            model.server.always = honest
            service.wait_until(lambda: part()["ready"])
            assert len(model.server.calls) == asked
            [back] = service.post("/reward", {"items": [open_ended]}).json()["results"]
            assert back["status"] == "scored"
    finally:
        model.stopped.set()
        model.join()
