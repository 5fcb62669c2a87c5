"""Tests for `POST /reward` as callers see it."""

import time

import orjson
import pytest

from rewards.errors import WorkerDied
from rewards.score import Unscored
from rewards.specs import ONETHINKER_PAPER, ONETHINKER_RELEASED


def an_item(**changes):
    """An item that scores 1.5 under the released spec."""
    item = {
        "kind": "ocr",
        "response": "<think>a</think><answer>the cat</answer>",
        "ground_truth": "the cat",
    }
    return item | changes


def score(service, *items, **fields):
    """The answer to a request that must be accepted."""
    answer = service.post("/reward", {"items": items, **fields})
    assert answer.status == 200, answer.data
    return answer.json()


def test_a_result_carries_everything_that_the_contract_names(service):
    """One good item comes back whole, and in the order of the contract."""
    answer = score(service, an_item(id="p17/3"))
    assert list(answer["results"][0].items()) == [
        ("id", "p17/3"),
        ("status", "scored"),
        ("reward", 1.5),
        ("accuracy", 1.0),
        ("format", 1.0),
        ("structure", 0.5),
        ("parts", {"word_error_rate": 0.0}),
        ("scorer", "rule"),
        ("reason", None),
        ("error", None),
    ]


def test_results_stand_in_the_order_of_the_items(service):
    """Nothing is sorted, grouped or dropped."""
    items = [an_item(id=str(n), ground_truth="the cat" if n % 3 else "dog") for n in range(30)]
    results = score(service, *items)["results"]
    assert [result["id"] for result in results] == [item["id"] for item in items]
    assert [result["accuracy"] for result in results] == [float(n % 3 > 0) for n in range(30)]


def test_trouble_stays_with_its_item(service):
    """A bad answer is a 0, a bad truth is no verdict, and the neighbours are what they were."""
    span = {"kind": "temporal grounding", "ground_truth": '{"time": [0, 4]}'}
    good, bad_answer, bad_truth, after = score(
        service,
        an_item(),
        an_item(**span),
        an_item(kind="temporal grounding", ground_truth="some time"),
        an_item(),
    )["results"]
    assert good["reward"] == after["reward"] == 1.5
    assert (bad_answer["status"], bad_answer["accuracy"]) == ("scored", 0.0)
    assert bad_answer["reason"]
    assert (bad_truth["status"], bad_truth["reward"], bad_truth["accuracy"]) == (
        "unscored",
        None,
        None,
    )
    assert bad_truth["error"]["code"] == "bad_ground_truth"
    assert not bad_truth["error"]["retryable"]


def test_trouble_of_the_machine_is_retryable(service):
    """An item that was lost with its worker says so, and that it may be sent again."""
    service.engine.verdict = Unscored(1.0, 0.5, WorkerDied("lost"))
    [result] = score(service, an_item())["results"]
    assert (result["format"], result["structure"]) == (1.0, 0.5)
    assert result["error"] == {"code": "worker_died", "retryable": True, "message": "lost"}


@pytest.mark.parametrize("name", ["ocr", "OCR", "Temporal-Grounding", "temporal_grounding"])
def test_a_kind_answers_to_its_aliases(service, name):
    """Names are matched in any case and spelling, and counted under the canonical one."""
    [result] = score(service, an_item(kind=name, ground_truth='{"time": [0, 1]}'))["results"]
    canonical = name.lower().replace("-", "_")
    assert result["status"] == "scored"
    assert service.sample("reward_items_total", kind=canonical, outcome="scored") == 1


@pytest.mark.parametrize("media_type", [None, "", "VIDEO", "image", "hologram"])
def test_an_odd_media_type_harms_nobody(service, media_type):
    """Whatever a dataset calls its media, the batch is scored."""
    results = score(service, an_item(media_type=media_type), an_item())["results"]
    assert [result["reward"] for result in results] == [1.5, 1.5]


@pytest.mark.parametrize("spec", [ONETHINKER_RELEASED, ONETHINKER_PAPER], ids=lambda s: s.name)
def test_the_spec_that_made_the_numbers_is_named(service, spec):
    """Every answer says by which constants it came about, down to their digest."""
    answer = score(service, an_item(), spec=spec.name)
    assert answer["spec"] == {"name": spec.name, "version": 1, "digest": spec.digest}
    assert answer["results"][0]["reward"] == {"onethinker-released": 1.5}.get(spec.name, 2.0)


def test_without_a_spec_the_default_one_is_meant(service):
    """A request that names no spec is scored by the released one."""
    assert score(service, an_item())["spec"]["name"] == "onethinker-released"


def test_an_unknown_spec_is_refused(service):
    """A spec that nobody knows refuses the request at its field, naming those there are."""
    answer = service.post("/reward", {"spec": "mine", "items": [an_item()]})
    problem = answer.json()
    assert (answer.status, problem["code"]) == (422, "unknown_spec")
    assert problem["errors"][0]["pointer"] == "/spec"
    assert "onethinker-paper" in problem["detail"]


def test_an_unknown_kind_refuses_the_whole_request(service):
    """Kinds that nobody knows are named, with their places and the kinds that there are."""
    items = [an_item(), an_item(kind="telepathy"), an_item(), an_item(kind="")]
    answer = service.post("/reward", {"items": items})
    problem = answer.json()
    assert (answer.status, problem["code"]) == (422, "unknown_kind")
    assert [error["pointer"] for error in problem["errors"]] == ["/items/1/kind", "/items/3/kind"]
    assert "temporal_grounding" in problem["detail"]
    assert service.engine.batches == []


def test_an_empty_batch_has_no_results(service):
    """Nothing in, nothing out."""
    assert score(service)["results"] == []


def test_too_many_items_are_refused_whole(service):
    """One more than the limit is refused before anything is scored, naming the limit."""
    answer = service.post("/reward", {"items": [an_item()] * 65})
    assert (answer.status, answer.json()["code"]) == (413, "too_large")
    assert answer.json()["facts"] == {"items": 64}
    assert service.engine.batches == []


@pytest.mark.parametrize(
    "truth",
    [
        pytest.param({"time": [0, 4]}, id="object"),
        pytest.param('{"time": [0, 4]}', id="text"),
        pytest.param('<answer>{"time": [0, 4]}</answer>', id="tagged-text"),
    ],
)
def test_a_ground_truth_may_be_text_or_json(service, truth):
    """Datasets that were parsed already are taken as they are."""
    response = '<think>a</think><answer>{"time": [0, 2]}</answer>'
    item = an_item(kind="temporal_grounding", response=response, ground_truth=truth)
    assert score(service, item)["results"][0]["accuracy"] == 0.5


@pytest.mark.parametrize("truth", [7, 1.5, True, None, [], {}, [1, {"a": None}]])
@pytest.mark.parametrize("kind", ["math", "ocr", "tracking", "segmentation", "regression"])
def test_no_json_truth_can_break_a_batch(service, kind, truth):
    """A truth of the wrong shape concerns its own item, whatever the kind."""
    results = score(service, an_item(kind=kind, ground_truth=truth), an_item())["results"]
    assert results[0]["status"] in {"scored", "unscored"}
    assert results[1]["reward"] == 1.5


def test_a_lone_surrogate_inside_json_text_cannot_break_the_answer(service):
    """What a truth or an answer smuggles in as an escape does not stop the others' results."""
    smuggled = '{"time": "\\ud800"}'
    response = f"<think>a</think><answer>{smuggled}</answer>"
    results = score(
        service,
        an_item(kind="temporal_grounding", ground_truth=smuggled),
        an_item(kind="temporal_grounding", ground_truth={"time": [0, 1]}, response=response),
        an_item(),
    )["results"]
    assert [result["status"] for result in results] == ["unscored", "scored", "scored"]


def test_a_message_of_the_library_cannot_break_the_answer(service):
    """A reason that no JSON writer takes, or without end, leaves mended and cut."""
    service.engine.verdict = Unscored(0.0, 0.0, WorkerDied("\ud800" + "x" * 5000))
    [result] = score(service, an_item())["results"]
    assert result["error"]["message"].startswith("?xxx")
    assert len(result["error"]["message"]) == 1000


@pytest.mark.parametrize(("asked_ms", "expected_s"), [(700, 0.7), (None, 5.0), (60_000, 5.0)])
def test_a_deadline_counts_from_arrival_and_is_cut_to_the_limit(service, asked_ms, expected_s):
    """The engine gets an instant: what was asked for, or the limit of the service if earlier."""
    before = time.monotonic()
    score(service, an_item(), deadline_ms=asked_ms)
    after = time.monotonic()
    [deadline] = service.engine.deadlines
    assert before + expected_s <= deadline <= after + expected_s


def test_a_caller_that_leaves_is_scored_no_further(service):
    """Work nobody waits for is cancelled, and its items are counted as abandoned."""
    service.engine.delay_s = 30
    body = orjson.dumps({"items": [an_item(), an_item()]})
    with service.connect() as connection:
        head = f"POST /reward HTTP/1.1\r\nHost: x\r\nContent-Length: {len(body)}\r\n\r\n"
        connection.sendall(head.encode() + body)
        service.wait_until(lambda: service.engine.batches)
    service.wait_until(lambda: service.engine.cancelled == 1)
    code = {"route": "/reward", "method": "POST", "code": "499"}
    service.wait_until(lambda: service.sample("reward_http_requests_total", **code) == 1)
    assert service.sample("reward_items_total", kind="any", outcome="abandoned") == 2
