"""Tests for `/compat/nemo_gym`."""

import json

import pytest

from rewards.errors import OutOfTime
from rewards.score import Unscored

ROW = {
    "kind": "ocr",
    "ground_truth": "the cat",
    "problem_id": 17,
    "agent_ref": {"name": "simple_agent"},
    "responses_create_params": {
        "input": [
            {"role": "user", "content": [{"type": "input_text", "text": "What does it say?"}]}
        ]
    },
    "response": {
        "id": "resp_1",
        "output": [
            {"type": "reasoning", "summary": [{"type": "summary_text", "text": "not said"}]},
            {
                "type": "message",
                "role": "assistant",
                "content": [
                    {"type": "output_text", "text": "<think>a</think><answer>the cat</answer>"}
                ],
            },
        ],
    },
}


def verify(service, path="/verify", **changes):
    """What a Gym agent gets back for a row."""
    answer = service.post(f"/compat/nemo_gym{path}", json.dumps(ROW | changes).encode())
    assert answer.status == 200, answer.data
    return answer.json()


def test_the_row_comes_back_with_its_reward(service):
    """The agent's own record needs every field that it sent."""
    answer = verify(service)
    assert {name: answer[name] for name in ROW} == ROW
    assert (answer["reward"], answer["accuracy"], answer["mask_sample"]) == (1.5, 1.0, False)
    assert (answer["failure_kind"], answer["failure_reason"]) == (None, None)


def test_only_the_assistants_messages_are_the_response(service):
    """Reasoning summaries and tool calls are not part of the answer."""
    verify(service)
    (sample,) = service.engine.batches[-1]
    assert sample.response == "<think>a</think><answer>the cat</answer>"
    assert sample.prompt == "What does it say?"


def test_what_was_not_scored_is_masked(service):
    """A broken truth and a machine in trouble both say: do not learn from this row."""
    broken = verify(service, kind="temporal grounding")
    assert (broken["reward"], broken["mask_sample"]) == (0.0, True)
    assert broken["failure_kind"] == "reward_service:bad_ground_truth"
    service.engine.verdict = Unscored(1.0, 0.5, OutOfTime("too late"))
    late = verify(service)
    assert (late["failure_kind"], late["failure_reason"]) == ("verifier_error", "too late")


def test_a_row_that_makes_no_item_is_masked(service):
    """A field that nobody knows how to read is the row's own fault."""
    for changes, code in (({"kind": "nope"}, "unknown_kind"), ({"task": 7}, "bad_ground_truth")):
        answer = verify(service, **changes)
        assert (answer["reward"], answer["mask_sample"]) == (0.0, True)
        assert answer["failure_kind"] == f"reward_service:{code}"


@pytest.mark.parametrize("response", [{}, {"output": []}, {"output": "x"}, {"output": [1, None]}])
def test_a_response_without_a_message_is_an_empty_one(service, response):
    """An agent that never answered has a wrong answer, not a broken row."""
    answer = verify(service, response=response)
    assert (answer["accuracy"], answer["format"], answer["mask_sample"]) == (0.0, 0.0, False)


def test_observed_rollouts_are_verified_too(service):
    """Gym puts the rollout's id before the path where it observes."""
    assert verify(service, "/ng-rollout/r-17/verify")["reward"] == 1.5


def test_sessions_are_nothing_to_keep(service):
    """Gym opens one for each rollout, and verifying needs none."""
    for path in ("/seed_session", "/close_session", "/ng-rollout/r/seed_session"):
        answer = service.post(f"/compat/nemo_gym{path}", ROW)
        assert (answer.status, answer.json()) == (200, {})
    assert service.get("/compat/nemo_gym/reverify_mode").json() == "stateless"


def test_metrics_leave_masked_rows_out(service):
    """A mean over rows without a verdict would be a made-up number."""
    rows = [{"reward": 1.0, "accuracy": 1}, {"reward": 0.0, "mask_sample": True}, {"reward": 2.0}]
    answer = service.post("/compat/nemo_gym/aggregate_metrics", {"verify_responses": rows}).json()
    assert answer["key_metrics"] == {"mean/reward": 1.5}
    assert answer["agent_metrics"] == {"mean/reward": 1.5, "mean/accuracy": 1.0}
    empty = service.post("/compat/nemo_gym/aggregate_metrics", {"verify_responses": []}).json()
    assert empty == {"group_level_metrics": [], "agent_metrics": {}, "key_metrics": {}}


@pytest.mark.promise(20)
@pytest.mark.parametrize("number", [2**64, -(2**70), 10**400])
def test_integers_of_any_size_come_back(service, number):
    """What an agent keeps in its rows is not the verifier's to round or to refuse."""
    answer = verify(service, problem_id=number, id=number, ground_truth=[number])
    assert answer["problem_id"] == answer["id"] == number
    assert answer["ground_truth"] == [number]


@pytest.mark.parametrize("reward", [10**400, 1e308, -1e151, True, "1"])
def test_metrics_take_rewards_only(service, reward):
    """A reward that none of ours can be, such as one whose sum overflows, is refused."""
    rows = {"verify_responses": [{"reward": 1.0}, {"reward": reward}]}
    answer = service.post("/compat/nemo_gym/aggregate_metrics", json.dumps(rows).encode())
    [wrong] = answer.json()["errors"]
    assert (answer.status, wrong["pointer"]) == (422, "/verify_responses/1/reward")


def test_a_row_without_a_kind_is_refused(service):
    """The data set is at fault, and its first row says so."""
    row = {name: value for name, value in ROW.items() if name != "kind"}
    answer = service.post("/compat/nemo_gym/verify", row)
    assert (answer.status, answer.json()["code"]) == (422, "invalid_request")
    assert service.post("/compat/nemo_gym/verify?kind=ocr", row).json()["reward"] == 1.5
