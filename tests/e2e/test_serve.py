"""The life of a real service: it starts, serves, drains and leaves nothing behind."""

import json
import os
import re
import signal
import socket
import subprocess
import sys
import threading
import time
from contextlib import contextmanager, suppress

import pytest
import urllib3

from service.main import create_app
from tests.e2e.running import is_running, running

HANGING = {"kind": "math", "response": "<answer>9**9**9**9</answer>", "ground_truth": "1"}
GOOD = {
    "kind": "math",
    "response": "<think>a</think><answer>$\\frac{1}{2}$</answer>",
    "ground_truth": "0.5",
}
PAYLOAD = "nobody may read this in a log"


def test_a_batch_is_scored_over_http(service):
    """The whole way: socket, schema, engine, worker process and back."""
    answer = service.post("/reward", {"items": [GOOD, {**GOOD, "kind": "tracking"}]})
    good, bad = answer.json()["results"]
    assert good["reward"] == 1.5
    assert bad["error"]["code"] == "bad_ground_truth"


@pytest.mark.promise(16)
@pytest.mark.promise(17)
def test_poison_costs_its_item_and_nobody_else(service):
    """While one answer hangs its worker, the service stays alive and the neighbours are right."""
    answers = []
    batch = {"items": [GOOD, HANGING, GOOD], "deadline_ms": 60_000}
    caller = threading.Thread(target=lambda: answers.append(service.post("/reward", batch)))
    caller.start()
    while caller.is_alive():
        assert service.get("/livez").status == 200
        time.sleep(0.1)
    first, hung, last = answers[0].json()["results"]
    assert first["reward"] == last["reward"] == 1.5
    assert hung["reward"] in {None, 0.0}
    assert service.post("/reward", {"items": [GOOD]}).json()["results"][0]["reward"] == 1.5
    assert b"reward_worker_kills_total{" in service.get("/metrics").data


@pytest.mark.promise(12)
def test_a_deadline_returns_what_is_done():
    """At the deadline the caller has the quick items, and the slow one is his to send again."""
    batch = {"items": [HANGING, {**GOOD, "kind": "ocr"}], "deadline_ms": 3000}
    with running("--worker-cpu-s", "60") as service:
        late, quick = service.post("/reward", batch).json()["results"]
    assert late["error"]["code"] == "deadline_exceeded"
    assert late["error"]["retryable"]
    assert quick["status"] == "scored"


@pytest.mark.promise(29)
def test_the_log_has_a_line_a_request_and_no_payload(service):
    """Every request is one JSON line with its id; nothing that was sent appears."""
    item = {"kind": "ocr", "response": PAYLOAD, "ground_truth": PAYLOAD}
    request_id = service.post("/reward", {"items": [item], "run": "r7"}).headers["x-request-id"]
    [line] = service.wait_until(
        lambda: [line for line in service.logged("request") if line["request_id"] == request_id]
    )
    assert (line["route"], line["status"], line["items"], line["run"]) == ("/reward", 200, 1, "r7")
    assert PAYLOAD not in "".join(service.lines)
    assert all(isinstance(json.loads(text), dict) for text in service.lines)


@contextmanager
def posting(service, batch):
    """Post a batch that hangs for a while; the answer is there when this ends, if one came."""
    answers = []

    def post():
        with suppress(urllib3.exceptions.HTTPError):
            answers.append(service.post("/reward", batch))

    caller = threading.Thread(target=post)
    caller.start()
    try:
        service.wait_until(lambda: b"inflight_requests 2" in service.get("/metrics").data)
        yield answers
    finally:
        caller.join()


@pytest.mark.promise(44)
def test_sigterm_drains():
    """Not ready at once, still serving for the delay; what is in flight is finished; status 0."""
    with running("--drain-delay-s", "5", environment={"REWARDS_WORKER_CPU_S": "1"}) as service:
        with posting(service, {"items": [HANGING, GOOD]}) as in_flight:
            children = service.children()
            service.process.send_signal(signal.SIGTERM)
            service.wait_until(lambda: service.get("/readyz").status == 503)
            answer = service.post("/reward", {"items": [{**GOOD, "kind": "ocr"}]})
            assert (answer.status, answer.headers["connection"]) == (200, "close")
            assert service.process.wait(30) == 0
        assert in_flight[0].json()["results"][1]["reward"] == 1.5
        service.wait_until(lambda: not any(map(is_running, children)), within_s=10)
        with pytest.raises(ConnectionRefusedError):
            socket.create_connection(("127.0.0.1", service.port))


def test_a_second_signal_ends_it_now():
    """Whoever cannot wait asks twice: callers hear that they may try elsewhere; workers go too."""
    with running("--drain-delay-s", "60", "--worker-cpu-s", "60") as service:
        with posting(service, {"items": [HANGING]}) as in_flight:
            children = service.children()
            service.process.send_signal(signal.SIGTERM)
            service.wait_until(lambda: service.logged("draining"))
            service.process.send_signal(signal.SIGTERM)
            assert service.process.wait(20) == 130
        [answer] = in_flight
        assert (answer.status, answer.json()["code"]) == (503, "draining")
        assert children
        service.wait_until(lambda: not any(map(is_running, children)), within_s=10)


def test_ctrl_c_leaves_nothing_running():
    """A terminal sends SIGINT to the whole group: the service ends, without delay or orphans."""
    with running("--drain-delay-s", "60") as service:
        assert service.post("/reward", {"items": [GOOD]}).status == 200
        children = service.children()
        os.killpg(service.process.pid, signal.SIGINT)
        assert service.process.wait(20) == 0
        assert children
        service.wait_until(lambda: not any(map(is_running, children)), within_s=10)


@pytest.mark.promise(18)
def test_a_killed_service_leaves_no_workers():
    """Even SIGKILL, which nobody can answer, does not orphan a worker."""
    with running("--worker-cpu-s", "60") as service:
        with posting(service, {"items": [HANGING]}):
            children = service.children()
            service.process.send_signal(signal.SIGKILL)
            assert service.process.wait(30) == -signal.SIGKILL
        assert children
        service.wait_until(lambda: not any(map(is_running, children)), within_s=10)


def test_another_server_can_run_it():
    """`uvicorn --factory service.main:create_app` is the same service, set up by variables."""
    command = [sys.executable, "-m", "uvicorn", "--factory", "service.main:create_app"]
    settings = {"STORE": "memory:", "WORKERS": "1", "MAX_ITEMS": "2", "ALLOW_ANYONE": "true"}
    variables = {f"REWARDS_{name}": value for name, value in settings.items()}
    with subprocess.Popen(
        [*command, "--port", "0"],
        env={**os.environ, **variables},
        stderr=subprocess.PIPE,
        text=True,
    ) as process:
        [port] = next(
            found
            for line in process.stderr
            if (found := re.findall(r"running on http://127.0.0.1:(\d+)", line))
        )
        info = urllib3.request("GET", f"http://127.0.0.1:{port}/info").json()
        process.terminate()
        process.stderr.read()
    assert info["limits"]["items"] == 2


@pytest.mark.promise(50)
@pytest.mark.parametrize(
    ("variables", "complaint"),
    [
        ({"PORT": "99999"}, "port: Input should be less"),
        ({}, "another server may listen on any address, and there are no keys: expected"),
        ({"ALLOW_ANYONE": "true", "METRICS_PORT": "8081"}, "metrics_port: only `reward-service"),
    ],
)
def test_another_server_hears_of_bad_settings_too(monkeypatch, variables, complaint):
    """The factory gives up in one line as well, also on what only our own server can do."""
    for name, value in variables.items():
        monkeypatch.setenv(f"REWARDS_{name}", value)
    with pytest.raises(SystemExit, match=f"^reward-service: {complaint}") as ended:
        create_app()
    assert "\n" not in str(ended.value)
