"""Traces of a real service, sent to a real collector over a real socket."""

import subprocess
import sys

import orjson
import pytest

from tests.collector import Collector, attributes
from tests.e2e.running import running
from tests.redis_server import free_port

pytestmark = pytest.mark.slow

TRACE, PARENT = "4bf92f3577b34da6a3ce929d0e0e4736", "00f067aa0ba902b7"
TRACED = {"traceparent": f"00-{TRACE}-{PARENT}-01"}
PAYLOAD = "nobody may read this in a trace"
ITEMS = [
    {"kind": "math", "response": "<answer>$x^2-1$</answer>", "ground_truth": "$(x-1)(x+1)$"},
    {"kind": "ocr", "response": PAYLOAD, "ground_truth": PAYLOAD},
]
OFF = """
import asyncio, sys
from service.api.app import build_app
from service.bootstrap import open_container
from service.settings import Settings
TRACERS = ("service.telemetry.tracing", "opentelemetry.exporter", "opentelemetry.sdk.trace")
async def main():
    async with open_container(Settings.read({}, store="memory:", workers="1")):
        print(*(name for name in sys.modules if name.startswith(TRACERS)))
asyncio.run(main())
"""


@pytest.fixture(scope="module")
def traced():
    """A service that sends traces, and the collector that takes them."""
    with Collector() as collector, running("--tracing", collector.url) as service:
        yield service, collector


def send(service, path, body, **headers):
    """One request within a trace."""
    return service.http.request(
        "POST", service.url + path, body=orjson.dumps(body), headers=TRACED | headers
    )


@pytest.mark.promise(54)
def test_a_request_is_a_span_in_its_callers_trace(traced):
    """Request and stages stand under the caller's span; the log line names the trace."""
    service, collector = traced
    assert send(service, "/reward", {"items": ITEMS}).status == 200
    spans = {span.name: span for span in collector.trace(TRACE, spans=7)}
    assert set(spans) == {
        "POST /reward", "read", "parse", "queue", "score", "isolated", "write",
    }  # fmt: skip
    root = spans.pop("POST /reward")
    assert root.parent_span_id.hex() == PARENT
    told = attributes(root)
    assert (told["http.route"], told["http.response.status_code"]) == ("/reward", 200)
    inner = spans.pop("isolated")
    assert inner.parent_span_id == spans["score"].span_id
    assert {span.parent_span_id for span in spans.values()} == {root.span_id}
    assert all(s.start_time_unix_nano <= s.end_time_unix_nano for s in spans.values())
    [line] = service.wait_until(
        lambda: [line for line in service.logged("request") if line.get("trace_id") == TRACE]
    )
    assert line["route"] == "/reward"
    assert collector.paths == {"/v1/traces"}
    assert collector.resources[0]["service.name"] == "reward-service"


@pytest.mark.promise(54)
def test_an_error_names_its_trace(traced):
    """Whoever holds the body of an error finds the trace; nothing that was sent is in a span."""
    service, collector = traced
    answer = send(
        service, "/reward", {"items": [{**ITEMS[1], "kind": "colour"}]}, traceparent="nonsense"
    )
    trace_id = answer.json()["trace_id"]
    assert (answer.status, len(trace_id)) == (422, 32)
    assert trace_id != TRACE
    spans = collector.trace(trace_id, spans=3)
    assert {span.name for span in spans} == {"POST /reward", "read", "parse"}
    assert PAYLOAD not in repr(collector.spans)


def test_steps_show_what_the_store_took(traced):
    """A step has a span for every question to the run store; probes have none at all."""
    service, collector = traced
    step = {"run": "t", "step": 0, "rewards": [1.0, 0.0], "groups": ["p"] * 2, "tasks": ["m"] * 2}
    other = {"traceparent": f"00-{TRACE[::-1]}-{PARENT}-01"}
    assert send(service, "/advantage", step, **other).status == 200
    spans = collector.trace(TRACE[::-1], spans=5)
    names = {span.name for span in spans}
    assert names == {"POST /advantage", "read", "parse", "state.read", "state.write"}
    service.get("/readyz")
    assert not any("readyz" in span.name or "ping" in span.name for span in collector.spans)


def test_a_trace_that_its_caller_does_not_sample_is_not_sent(traced):
    """The id goes on to log and errors, the spans stay here."""
    service, collector = traced
    unsampled = {"traceparent": f"00-{'ab' * 16}-{PARENT}-00"}
    answer = send(service, "/reward", {"items": "none"}, **unsampled)
    assert answer.json()["trace_id"] == "ab" * 16
    send(service, "/reward", {"items": ITEMS[1:]}, traceparent=f"00-{'cd' * 16}-{PARENT}-01")
    collector.trace("cd" * 16, spans=6)
    assert not [span for span in collector.spans if span.trace_id.hex() == "ab" * 16]


def test_without_a_collector_the_service_serves_and_stops():
    """A collector that is away costs its spans, and no request, and no clean end."""
    with running("--tracing", f"http://127.0.0.1:{free_port()}") as service:
        assert send(service, "/reward", {"items": ITEMS}).status == 200


@pytest.mark.promise(54)
def test_untraced_nothing_of_it_is_loaded():
    """Without the setting nothing that makes or sends spans is imported."""
    done = subprocess.run([sys.executable, "-c", OFF], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == ""
