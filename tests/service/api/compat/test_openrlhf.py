"""Tests for `POST /compat/openrlhf/get_reward`."""

import json

import pytest
from structlog.testing import capture_logs

from rewards.errors import WorkerDied
from rewards.score import Unscored
from service.errors import Overloaded

RIGHT = "<think>a</think><answer>the cat</answer>"
PROMPT = "<|im_start|>user\nWhat does it say?<|im_end|>\n<|im_start|>assistant\n"
LOGS = ["accuracy", "format", "structure", "scored"]


ODD = {
    "kind": {"kind": "nope", "ground_truth": "the cat"},
    "field": {"kind": "ocr", "ground_truth": "the cat", "colour": 2},
    "type": {"kind": 2, "ground_truth": "the cat"},
}


def ask(service, labels, *, query="", responses=None):
    """Post what OpenRLHF posts, one right answer for each label."""
    responses = responses or [RIGHT] * len(labels)
    body = {
        "query": [f"{PROMPT}{response}<|im_end|>" for response in responses],
        "prompts": [PROMPT] * len(labels),
        "labels": labels,
    }
    return service.post(f"/compat/openrlhf/get_reward{query}", body)


def reward_of(service, **item):
    """What `POST /reward` says of an item."""
    return service.post("/reward", {"items": [item]}).json()["results"][0]


def test_the_numbers_are_those_of_reward(service):
    """Cut from its transcript, a response earns what it earns anywhere."""
    wrong = "<think>a</think><answer>the dog</answer>"
    answer = ask(
        service, ["the cat"] * 3, query="?kind=ocr", responses=[RIGHT, wrong, "cat"]
    ).json()
    plain = [
        reward_of(service, kind="ocr", response=response, ground_truth="the cat")
        for response in (RIGHT, wrong, "cat")
    ]
    assert answer["rewards"] == [one["reward"] for one in plain]
    assert (
        answer["scores"] == answer["extra_logs"]["accuracy"] == [one["accuracy"] for one in plain]
    )
    assert answer["extra_logs"]["format"] == [one["format"] for one in plain]


def test_a_label_can_carry_the_whole_item(service):
    """OpenRLHF passes on one column: an object, or its JSON, says the kind and the rest."""
    span = {"kind": "temporal grounding", "ground_truth": {"time": [0, 4]}, "group": "p1"}
    said = '<think>a</think><answer>{"time": [0, 4]}</answer>'
    answer = ask(service, [span, json.dumps(span)], responses=[said, said]).json()
    assert answer["scores"] == [1.0, 1.0]
    assert [sample.group for sample in service.engine.batches[-1]] == ["p1", "p1"]


def test_a_template_of_ones_own_is_named_in_the_query(service):
    """Where the processor drew image tokens out, only the turns tell prompt from response."""
    prompt = "USER: <image> What does it say? BOT: "
    drawn = prompt.replace("<image>", "<image>" * 9)
    body = {"query": [drawn + RIGHT], "prompts": [prompt], "labels": ["the cat"]}
    path = "/compat/openrlhf/get_reward?kind=ocr"
    whole = service.post(path, body).json()["extra_logs"]["format"]
    cut = service.post(f"{path}&turn=BOT:%20", body).json()["extra_logs"]["format"]
    assert (whole, cut) == ([0.0], [1.0])
    assert service.post(f"{path}&turn=", body).status == 422


def test_no_queries_have_no_rewards(service):
    """OpenRLHF with more URLs than queries sends some of them nothing."""
    answer = ask(service, [])
    assert answer.status == 200
    assert answer.json() == {"rewards": [], "scores": [], "extra_logs": {name: [] for name in LOGS}}


def test_what_was_not_scored_is_a_number_and_says_so(service):
    """The log's keys are always there and always numbers, for OpenRLHF makes tensors of them."""
    span = {"kind": "temporal grounding", "ground_truth": "no span"}
    answer = ask(service, [span, "the cat"], query="?kind=ocr&unscored=-1").json()
    assert answer["rewards"] == [-1.0, 1.5]
    assert answer["extra_logs"]["scored"] == [0.0, 1.0]
    assert list(answer["extra_logs"]) == LOGS


def test_trouble_of_the_machine_is_flagged_like_a_bad_truth(service):
    """An answer that OpenRLHF cannot read would end the job."""
    service.engine.verdict = Unscored(1.0, 0.5, WorkerDied("gone"))
    assert ask(service, ["a"], query="?kind=ocr").json()["extra_logs"]["scored"] == [0.0]


@pytest.mark.parametrize("odd", ODD.values(), ids=ODD)
def test_a_label_that_makes_no_item_costs_its_own_rollout_only(service, odd):
    """Others are scored, alone it is answered too, and each time the log has an error."""
    code = "unknown_kind" if odd is ODD["kind"] else "bad_ground_truth"
    before = service.sample("reward_items_total", kind="any", outcome=code)
    with capture_logs() as lines:
        mixed = ask(service, ["the cat", odd, "the cat"], query="?kind=ocr&unscored=-1").json()
        alone = ask(service, [odd], query="?kind=ocr")
    assert mixed["rewards"] == [1.5, -1.0, 1.5]
    assert mixed["extra_logs"]["scored"] == [1.0, 0.0, 1.0]
    assert (alone.status, alone.json()["rewards"]) == (200, [0.0])
    told = [(line["items"], line["unscored"]) for line in lines if line["log_level"] == "error"]
    assert told == [(3, {code: 1}), (1, {code: 1})]
    assert service.sample("reward_items_total", kind="any", outcome=code) == before + 2


@pytest.mark.parametrize(
    ("labels", "query", "place"),
    [
        pytest.param(["4"], "", "/labels/0", id="no-kind"),
        pytest.param(["4"], "?kind=nope", "/kind", id="unknown-kind"),
        pytest.param([ODD["kind"]] * 2, "?kind=math", "/labels/0/kind", id="unknown-kinds"),
        pytest.param([ODD["field"]] * 2, "?kind=math", "/labels/0/colour", id="odd-fields"),
        pytest.param([ODD["type"]] * 2, "", "/labels/0/kind", id="odd-kinds"),
        pytest.param(["4"], "?kind=math&spec=nope", "/spec", id="unknown-spec"),
        pytest.param([ODD["kind"]], "?spec=nope", "/spec", id="unknown-spec-odd-label"),
        pytest.param(["4"], "?kind=math&unscored=nan", "/unscored", id="nan"),
        pytest.param(["4"], "?kind=math&unscored=high", None, id="text"),
    ],
)
def test_a_mistake_in_the_set_up_is_refused(service, labels, query, place):
    """Nobody trains on zeros because a column has the wrong name, or the query a wrong word."""
    answer = ask(service, labels, query=query)
    assert answer.status == 422
    assert place in [None, *(error["pointer"] for error in answer.json()["errors"])]


def test_lists_of_unequal_length_are_refused(service):
    """Which label belongs to which query could only be guessed."""
    body = {"query": ["a", "b"], "prompts": ["a", "b"], "labels": ["1"]}
    answer = service.post("/compat/openrlhf/get_reward?kind=math", body)
    assert (answer.status, answer.json()["code"]) == (422, "invalid_request")


def test_a_full_service_says_when_to_come_back(service):
    """Overload is the one trouble that OpenRLHF's own retries are for."""
    service.engine.error = Overloaded("the queue is full", retry_after_s=3)
    answer = ask(service, ["a"], query="?kind=ocr")
    assert (answer.status, answer.headers["Retry-After"]) == (429, "3")


def test_items_are_counted_like_all_others(service):
    """Operators see them under their kind."""
    before = service.sample("reward_items_total", kind="ocr", outcome="scored")
    ask(service, ["the cat"] * 3, query="?kind=ocr")
    assert service.sample("reward_items_total", kind="ocr", outcome="scored") == before + 3
