"""EasyR1's and OneThinker's calling convention: `trainer_client.adapters.easyr1`."""

import importlib.util

import numpy as np
import pytest

from tests.trainer_client.scripted import UNKNOWN, UNREADABLE
from trainer_client.adapters import easyr1
from trainer_client.errors import BadCall, RewardRefused, RewardUnavailable

KEYS = {"overall", "format", "accuracy", "structure_reward", "scored"}


def rollout(response, **row):
    """What OneThinker hands over for one rollout."""
    return {
        "response": response,
        "response_length": len(response),
        "ground_truth": "4",
        "data_type": "text",
        "problem_type": "numerical",
        "problem": "2 + 2?",
        "problem_id": "p1",
    } | row


@pytest.fixture
def compute_score(environment):
    """The function as the framework loads it: from its file, by its name."""
    del environment
    spec = importlib.util.spec_from_file_location("custom_module", easyr1.__file__)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    assert module.REWARD_TYPE == "batch"
    assert isinstance(module.REWARD_NAME, str)
    return module.compute_score


def test_a_batch_is_scored_in_its_order_with_onethinkers_keys(server, compute_score):
    """Thousands of rollouts in one call, not sorted by group, come back in place."""
    server.limits["items"] = 64
    batch = [rollout("x" * (n % 50), problem_id=f"p{n % 37}") for n in range(1000)]
    scores = compute_score(batch)
    assert [score["overall"] for score in scores] == [n % 50 for n in range(1000)]
    assert all(score.keys() == KEYS for score in scores)
    assert {type(value) for score in scores for value in score.values()} == {float}
    assert all(np.isfinite(np.mean([score[key] for score in scores])) for key in KEYS)


def test_what_was_not_scored_gets_no_advantage(compute_score):
    """The group's mean leaves advantage and filter as if the rollout were not there."""
    batch = [rollout("x"), rollout("xxx"), rollout("x", ground_truth=UNREADABLE)]
    lost = compute_score(batch)[2]
    assert (lost["overall"], lost["accuracy"], lost["scored"]) == (2.0, 1.0, 0.0)


def test_bad_rows_end_no_job(compute_score):
    """Their rollouts have no verdict; a batch of nothing else is a mistake in the set-up."""
    batch = [rollout("x"), rollout("x", problem_type=UNKNOWN), rollout("xxx", ground_truth=None)]
    assert [score["scored"] for score in compute_score(batch)] == [1.0, 0.0, 0.0]
    with pytest.raises(RewardRefused):
        compute_score(batch[1:2])


def test_the_user_chooses_another_stand_in(compute_score):
    """A number is used; `raise` ends the job."""
    batch = [rollout("x", ground_truth=UNREADABLE)]
    assert compute_score(batch, unscored=-0.5)[0]["overall"] == -0.5
    with pytest.raises(RewardUnavailable):
        compute_score(batch, unscored="raise")


def test_plain_easyr1_carries_all_in_the_answer_column(server, compute_score):
    """Where only the ground truth arrives, it may be an object, or one kind serves all."""
    plain = {"response": "x", "response_length": 1}
    whole = {"kind": "ocr", "ground_truth": "a", "group": "p1"}
    compute_score([plain | {"ground_truth": whole}])
    compute_score([plain | {"ground_truth": "4"}], kind="math", spec="onethinker-paper", unscored=0)
    first, second = (seen.json for seen in server.posts)
    assert {name: first["items"][0][name] for name in whole} == whole
    assert (second["items"][0]["kind"], second["spec"]) == ("math", "onethinker-paper")


def test_without_groups_their_mean_is_refused_at_once(compute_score):
    """It would be 0 for every rollout, and that would be found out in the middle of a job."""
    plain = {"response": "x", "response_length": 1, "ground_truth": "4"}
    with pytest.raises(BadCall, match="group_mean needs a `group`"):
        compute_score([plain], kind="math")


def test_a_misspelt_argument_is_refused(compute_score):
    """A choice that nobody made must not become the default."""
    with pytest.raises(TypeError, match="unscord"):
        compute_score([rollout("x")], unscord=-1)


def test_the_keys_can_be_those_of_the_released_file(compute_score):
    """What reads its results may count on exactly these."""
    (score,) = compute_score([rollout("x")], released_keys=True)
    assert score.keys() == KEYS - {"scored"}


def test_nothing_in_gives_nothing_out(compute_score):
    """An empty batch costs no request."""
    assert compute_score([]) == []
