"""Tests for `POST /compat/slime`."""

import json

import pytest
from structlog.testing import capture_logs

SAMPLE = {
    "prompt": [{"role": "user", "content": "What does it say?"}],
    "response": "<think>a</think><answer>the cat</answer>",
    "label": "the cat",
}


def test_the_whole_body_is_the_reward(service):
    """Slime takes what it gets for the number itself."""
    answer = service.post("/compat/slime?kind=ocr", SAMPLE)
    assert (answer.status, answer.data) == (200, b"1.5")
    assert answer.headers["Content-Type"] == "application/json"


def test_with_detail_the_reward_has_a_key(service):
    """`--reward-key reward` keeps the rest of the verdict in the dump."""
    told = service.post("/compat/slime?kind=ocr&detail=true", SAMPLE).json()
    expected = {"reward": 1.5, "accuracy": 1.0, "format": 1.0, "structure": 0.5, "scored": 1.0}
    assert told == expected


def test_a_label_can_carry_the_item(service):
    """The label is a string, so an item travels as JSON in it."""
    label = json.dumps({"kind": "ocr", "ground_truth": "the cat", "group": "p"})
    assert service.post("/compat/slime", SAMPLE | {"label": label}).data == b"1.5"
    (sample,) = service.engine.batches[-1]
    assert (sample.group, sample.prompt) == ("p", "What does it say?")


@pytest.mark.promise(20)
@pytest.mark.parametrize("write", [dict, json.dumps], ids=["object", "text"])
def test_a_label_keeps_integers_of_any_size(service, write):
    """However the item travels, its truth is not rounded on the way."""
    label = write({"kind": "numerical", "ground_truth": 2**70 + 1})
    body = json.dumps({**SAMPLE, "label": label}).encode()
    assert service.post("/compat/slime", body).status == 200
    (sample,) = service.engine.batches[-1]
    assert sample.ground_truth == 2**70 + 1


@pytest.mark.parametrize("detail", ["true", "false"])
def test_what_was_not_scored_is_the_chosen_number(service, detail):
    """A status other than 200 would be retried for minutes and then end the rollout."""
    query = f"?kind=temporal grounding&unscored=-0.5&detail={detail}".replace(" ", "%20")
    answer = service.post(f"/compat/slime{query}", SAMPLE).json()
    assert (
        answer == -0.5 if detail == "false" else (answer["reward"], answer["scored"]) == (-0.5, 0)
    )


@pytest.mark.parametrize("label", ["{}", '{"kind": "nope", "ground_truth": 1}', None])
def test_a_label_that_makes_no_item_ends_no_rollout(service, label):
    """Slime would ask ten times and then give the whole rollout up."""
    path = "/compat/slime?kind=tracking&detail=true"
    with capture_logs() as lines:
        answer = service.post(path, SAMPLE | {"label": label})
    assert (answer.status, answer.json()["scored"]) == (200, 0.0)
    assert "error" in [line["log_level"] for line in lines]


def test_a_sample_without_a_kind_is_refused(service):
    """The set-up is at fault, and the first sample says so."""
    answer = service.post("/compat/slime", SAMPLE)
    assert (answer.status, answer.json()["errors"][0]["pointer"]) == (422, "/label")
