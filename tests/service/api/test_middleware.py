"""Tests for what surrounds every request."""

import json

import pytest
from structlog.testing import capture_logs

PAYLOAD = "a response that nobody should find in a log"
BODY = {
    "items": [{"kind": "ocr", "response": PAYLOAD, "ground_truth": PAYLOAD, "id": "p17"}],
    "run": "job-42",
}


@pytest.mark.parametrize("path", ["/livez", "/nothing", "/reward"])
def test_the_callers_id_comes_back(service, path):
    """A request id that is a plain name is kept, on errors too."""
    answer = service.get(path, headers={"X-Request-Id": "job-42:step.7"})
    assert answer.headers["x-request-id"] == "job-42:step.7"


@pytest.mark.parametrize("asked", ["", "a b", "x" * 129, "é", "<script>"])
def test_an_odd_id_is_replaced(service, asked):
    """What could confuse a log or a header is not passed on."""
    answer = service.get("/livez", headers={"X-Request-Id": asked.encode("latin-1")})
    assert len(answer.headers["x-request-id"]) == 32


def test_no_two_requests_share_an_id(service):
    """Ids that the service gives are unique."""
    ids = {service.get("/livez").headers["x-request-id"] for _ in range(50)}
    assert len(ids) == 50


def counted(service, route, method, code):
    """How many requests were counted so."""
    return service.sample("reward_http_requests_total", route=route, method=method, code=code)


def test_requests_are_counted_by_route_and_not_by_path(service):
    """Paths that nobody declared and methods that nobody knows share one label each."""
    service.get("/livez")
    service.get("/%41%42?x=1")
    service.get("/nothing/17")
    service.get("/reward", method="PROPFIND")
    service.get("/runs/job-42/history")
    service.wait_until(lambda: counted(service, "/runs/{run}/history", "GET", "404") == 1)
    assert counted(service, "/reward", "other", "405") == 1
    assert counted(service, "/livez", "GET", "200") == 1
    assert counted(service, "other", "GET", "404") == 2


def test_nothing_stays_in_flight(service):
    """Once answered, refused or failed, a request is in flight no more."""
    service.post("/reward", BODY)
    service.post("/reward", b"{")
    service.engine.error = ZeroDivisionError()
    service.post("/reward", BODY)
    service.wait_until(lambda: service.sample("reward_http_inflight_requests") == 0)


def test_while_draining_connections_are_not_kept(service):
    """The last answers tell clients to go and find another replica."""
    assert "connection" not in service.get("/livez").headers
    service.container.lifecycle.draining = True
    assert service.get("/livez").headers["connection"] == "close"
    assert service.post("/reward", BODY).status == 200


def test_a_request_is_one_line_without_its_payload(service):
    """The line says who, what, how long and how much; nothing of what was sent."""
    with capture_logs() as lines:
        service.post("/reward", BODY, **{"X-Request-Id": "r1"})
        service.wait_until(lambda: lines)
    [line] = lines
    assert PAYLOAD not in json.dumps(line)
    assert line.pop("ms") > 0
    assert line.pop("bytes_in") > 100
    assert line.pop("bytes_out") > 100
    assert line == {
        "event": "request",
        "log_level": "info",
        "request_id": "r1",
        "method": "POST",
        "route": "/reward",
        "status": 200,
        "items": 1,
        "run": "job-42",
    }


def test_probes_are_not_worth_a_line(service):
    """What is asked every second is logged for debugging only."""
    with capture_logs() as lines:
        service.get("/readyz")
        service.wait_until(lambda: lines)
    assert [line["log_level"] for line in lines] == ["debug"]
