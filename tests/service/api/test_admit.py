"""Tests for `service.api.admit` and the turns that requests take, over real sockets."""

from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from dataclasses import replace

import orjson
import pytest

from service.engine.admission import Admission
from tests.service.api.conftest import LIMITS

ITEM = {
    "kind": "ocr",
    "response": "<think>a</think><answer>the cat</answer>",
    "ground_truth": "the cat",
}


def body(items, **fields):
    """A request of so many items."""
    return orjson.dumps({"items": [ITEM] * items, **fields})


@pytest.mark.promise(1)
@pytest.mark.promise(3)
def test_a_flood_is_answered_200_or_429_and_nothing_else(service):
    """Twice what may wait: some are scored, the others told when to come again."""
    service.engine.delay_s = 1.0
    with ThreadPoolExecutor(12) as callers:
        answers = list(callers.map(lambda _: service.post("/reward", body(32)), range(12)))
    statuses = [answer.status for answer in answers]
    assert set(statuses) == {200, 429}
    for answer in answers:
        if answer.status == 429:
            assert int(answer.headers["Retry-After"]) >= 1
            assert answer.json()["code"] == "overloaded"
            assert answer.json()["retryable"] is True
    assert service.sample("reward_admission_rejections_total", reason="items") == statuses.count(
        429
    )


@pytest.mark.promise(5)
def test_room_for_a_body_is_held_before_it_is_read(service):
    """With one inside, a large body is refused on its length; a probe passes all the same.

    What one caller may not take is there for others, until there is no more of it.
    """
    head = b"POST /reward HTTP/1.1\r\nHost: x\r\nContent-Length: 190000\r\n\r\n"
    held = service.container.admission.usage
    with ExitStack() as callers:
        for number in (1, 2):
            caller = callers.enter_context(service.connect(source=f"127.0.0.{number}"))
            caller.sendall(head + b"{")
            service.wait_until(lambda much=190_000 * number: held()["held_bytes"] == much)
            refused = service.post("/reward", body(60) + b" " * 30_000)
            assert refused.status == 429
            assert service.get("/livez").status == 200
        assert service.sample("reward_admission_rejections_total", reason="bytes") == 2
    service.wait_until(lambda: held()["held_bytes"] == 0)
    assert service.post("/reward", body(1)).status == 200


def test_what_a_model_is_asked_is_weighed_at_the_door(service, running_app):
    """With a model's tokens taken, more of them are refused; what a rule scores comes in."""
    app, _ = running_app
    capacity = replace(LIMITS.capacity, tokens=1000)
    app.state.container = service.container = replace(
        service.container,
        limits=replace(LIMITS, capacity=capacity),
        admission=Admission(capacity),
    )
    open_ended = {"kind": "open_ended", "prompt": "p", "response": "r" * 1800, "ground_truth": "t"}
    asked = orjson.dumps({"items": [open_ended], "run": "a"})
    with service.connect() as first:
        service.engine.delay_s = 60.0
        head = f"POST /reward HTTP/1.1\r\nHost: x\r\nContent-Length: {len(asked)}\r\n\r\n"
        first.sendall(head.encode() + asked)
        service.wait_until(lambda: service.container.admission.usage()["tokens"] == 601)
        service.wait_until(lambda: service.engine.batches)
        service.engine.delay_s = 0.0
        refused = service.post("/reward", {"items": [open_ended], "run": "b"})
        assert (refused.status, refused.json()["code"]) == (429, "overloaded")
        assert refused.json()["facts"] == {"full_of": "tokens"}
        assert int(refused.headers["Retry-After"]) >= 1
        assert service.sample("reward_admission_rejections_total", reason="tokens") == 1
        assert service.post("/reward", body(1, run="b")).status == 200
    service.wait_until(lambda: service.container.admission.usage()["tokens"] == 0)
    assert service.post("/reward", {"items": [open_ended], "run": "b"}).status == 200
    assert service.get("/info").json()["limits"]["capacity"]["tokens"] == 1000


def test_requests_without_a_run_are_fair_by_caller(service):
    """The run is who takes turns; where none is named, whoever asks."""
    assert service.post("/reward", body(1, run="job")).status == 200
    assert service.post("/reward", body(1)).status == 200
    assert service.engine.owners == ["job", "at 127.0.0.1"]


@pytest.mark.promise(12)
def test_what_has_no_turn_by_its_deadline_is_unscored_and_retryable(service):
    """The caller is not kept waiting for a turn that comes too late."""
    service.engine.delay_s = 2.0
    with ThreadPoolExecutor(1) as other:
        first = other.submit(service.post, "/reward", body(64))
        service.wait_until(lambda: service.container.admission.usage()["active_items"] == 64)
        late = service.post("/reward", body(2, deadline_ms=50))
        assert first.result().status == 200
    assert late.status == 200
    assert [result["error"]["code"] for result in late.json()["results"]] == [
        "deadline_exceeded"
    ] * 2
    assert all(result["error"]["retryable"] for result in late.json()["results"])


@pytest.mark.promise(13)
def test_a_caller_that_leaves_the_queue_leaves_nothing_behind(service):
    """Waiting items are given back when nobody waits for them."""
    service.engine.delay_s = 2.0
    with ThreadPoolExecutor(1) as other:
        first = other.submit(service.post, "/reward", body(64))
        service.wait_until(lambda: service.container.admission.usage()["active_items"] == 64)
        with service.connect() as waiting:
            sent = body(8)
            head = f"POST /reward HTTP/1.1\r\nHost: x\r\nContent-Length: {len(sent)}\r\n\r\n"
            waiting.sendall(head.encode() + sent)
            service.wait_until(lambda: service.container.admission.usage()["waiting_items"] == 8)
        service.wait_until(lambda: service.container.admission.usage()["waiting_items"] == 0)
        assert first.result().status == 200
    assert len(service.engine.batches) == 1
