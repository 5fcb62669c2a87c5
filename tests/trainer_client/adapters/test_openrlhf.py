"""OpenRLHF's calling convention, without OpenRLHF: `trainer_client.adapters.openrlhf`."""

import pytest

from tests.trainer_client.scripted import problem
from trainer_client.adapters.openrlhf import reward_func
from trainer_client.errors import BadCall, RewardUnavailable

ASKED = (["2+2?4"], ["2+2?"], ["4"])
LOGS = {"accuracy": [0.0], "format": [0.0], "structure": [0.0], "scored": [0.0]}


def test_a_response_without_a_verdict_is_told(server, environment, caplog):
    """It gets the number that was chosen, and the log says so."""
    environment(unscored="-1", kind="math")
    answer = {"rewards": [-1.0], "scores": [0.0], "extra_logs": LOGS}
    server.play(lambda handler: handler.reply(200, answer))
    assert reward_func(*ASKED) == answer
    assert server.posts[0].path == "/compat/openrlhf/get_reward?kind=math&unscored=-1.0"
    assert "1 of 1 responses were not scored; they get -1.0" in caplog.text


def test_a_service_that_stays_away_is_an_error_in_the_log(server, environment, caplog):
    """OpenRLHF swallows what is raised, so this is where a user can read of it."""
    del environment
    server.play(problem(500, "internal_error"))
    with pytest.raises(RewardUnavailable):
        reward_func(*ASKED)
    (record,) = [record for record in caplog.records if record.levelname == "ERROR"]
    assert record.getMessage() == "1 responses have no reward"
    assert "internal_error" in caplog.text


def test_only_a_number_can_stand_for_a_verdict(environment):
    """The framework takes nothing else."""
    environment(unscored="group_mean")
    with pytest.raises(BadCall, match="expected a number"):
        reward_func(*ASKED)
