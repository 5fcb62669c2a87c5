"""NeMo-Gym's calling convention, without NeMo-Gym: `trainer_client.adapters.nemo_gym`."""

import asyncio

import pytest

from tests.trainer_client.scripted import problem, refusal
from trainer_client.adapters import nemo_gym
from trainer_client.errors import RewardRefused

ROW = {
    "kind": "ocr",
    "ground_truth": "the cat",
    "responses_create_params": {"input": "What does it say?"},
    "response": {"output": []},
}
VERIFIED = ROW | {"reward": 1.5, "mask_sample": False}


def answered(handler):
    """Answer as the service's route does."""
    handler.reply(200, VERIFIED)


def test_a_row_goes_as_it_is_and_comes_back_verified(server, environment):
    """The choices of the environment travel in the query."""
    environment(kind="math", spec="onethinker-paper")
    server.play(answered)
    assert asyncio.run(nemo_gym.verify(ROW)) == VERIFIED
    (seen,) = server.posts
    assert seen.path == "/compat/nemo_gym/verify?kind=math&spec=onethinker-paper"
    assert seen.json == ROW


def test_a_row_is_masked_when_the_service_stays_away(server, environment, caplog):
    """Gym's agent would lose the rollout over an error, and ask for ever over none."""
    del environment
    server.play(problem(500, "internal_error"))
    row = asyncio.run(nemo_gym.verify(ROW))
    assert {name: row[name] for name in ROW} == ROW
    assert (row["reward"], row["mask_sample"], row["failure_kind"]) == (0.0, True, "verifier_error")
    assert "internal_error" in row["failure_reason"]
    assert "is masked" in caplog.text


def test_a_mistake_in_the_set_up_is_told(server, environment):
    """A spec that does not exist is no trouble of one rollout."""
    del environment
    server.play(refusal("/spec", code="unknown_spec"))
    with pytest.raises(RewardRefused):
        asyncio.run(nemo_gym.verify(ROW))
