"""TRL's calling conventions, without TRL: `trainer_client.adapters.trl` and `trl_advantages`."""

import asyncio
import inspect
import pickle
import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from types import SimpleNamespace

import pytest

from tests.trainer_client.scripted import UNKNOWN, UNREADABLE, problem, refusal
from trainer_client.adapters.trl import AsyncRewardFunction, RewardFunction
from trainer_client.adapters.trl_advantages import ScaledRewards
from trainer_client.config import ClientConfig
from trainer_client.errors import BadCall, ClientError, RewardRefused, RewardUnavailable


def batch(**changes):
    """One generation batch as TRL hands it over."""
    said = [[{"role": "assistant", "content": "x" * n}] for n in range(4)]
    return {
        "prompts": [[{"role": "user", "content": "2+2?"}]] * 4,
        "completions": said,
        "completion_ids": [[1], [2], [3], [4]],
        "problem_type": ["math"] * 4,
        "solution": ["4", "4", UNREADABLE, "4"],
        "trainer_state": SimpleNamespace(global_step=7),
        "log_extra": lambda column, values: None,  # noqa: ARG005 - TRL calls it so
        "log_metric": lambda name, value: None,  # noqa: ARG005 - TRL calls it so
    } | changes


@pytest.fixture(params=[RewardFunction, AsyncRewardFunction])
def make(request):
    """Either function, called as TRL calls it."""

    def make(*args, **options):
        function = request.param(*args, **options)
        if request.param is RewardFunction:
            return function
        return lambda **columns: asyncio.run(function(**columns))

    return make


def test_what_was_not_scored_is_none(make, config):
    """TRL keeps such a completion out of its group."""
    assert make(config)(**batch()) == [0.0, 1.0, None, 3.0]


def test_plain_texts_are_scored_like_conversations(make, config):
    """Datasets without chat templates work too."""
    texts = batch(prompts=["2+2?"] * 4, completions=["", "x", "xx", "xxx"])
    assert make(config)(**texts) == [0.0, 1.0, None, 3.0]


def test_reasons_and_shares_are_logged(make, config):
    """The completions table says why, the metrics how many."""
    extra, metrics = {}, {}
    make(config)(**batch(log_extra=extra.__setitem__, log_metric=metrics.__setitem__))
    assert extra == {"accuracy": [1.0, 1.0, None, 1.0], "reason": [None, None, "no verdict", None]}
    assert metrics == {"reward_service/unscored": 0.25}


def test_a_lost_batch_teaches_nothing_and_a_lasting_outage_ends_the_job(make, server, config):
    """One rank's trouble does not kill all, but training without rewards does not go on."""
    rewards = make(config, lost_batches=2)
    rewards(**batch())
    server.play(*[problem(500, "bug")] * 2)
    metrics = {}
    assert rewards(**batch(log_metric=metrics.__setitem__)) == [None] * 4
    assert metrics == {"reward_service/unscored": 1.0}
    assert rewards(**batch()) == [None] * 4
    assert rewards(**batch()) == [0.0, 1.0, None, 3.0]
    server.play(*[problem(500, "bug")] * 3)
    assert [rewards(**batch()) for _ in range(2)] == [[None] * 4] * 2
    with pytest.raises(RewardUnavailable):
        rewards(**batch())


def test_a_mistake_in_the_request_ends_the_job(make, server, config):
    """Every rank is told the same, and nothing is gained by going on without rewards."""
    server.play(refusal("/spec", code="unknown_spec"))
    with pytest.raises(RewardRefused):
        make(config)(**batch())


def test_a_bad_row_is_no_reward_and_no_end(make, config):
    """The other ranks would wait for ever for one that raises."""
    rows = {"problem_type": ["math", "math", UNKNOWN, None], "solution": ["4", None, "4", "4"]}
    assert make(config)(**batch(**rows)) == [0.0, None, None, None]
    odd = {"ground_truth": "4", "colour": 1}
    assert make(config)(**batch(solution=["4", odd, "4", float("nan")])) == [0.0, None, 2.0, None]


def test_a_batch_of_bad_rows_teaches_nothing_and_many_in_a_row_end_the_job(make, config):
    """A rank's batch may be one prompt; that all of them are bad is a mistake in the set-up."""
    rewards = make(config, lost_batches=2)
    for _ in range(2):
        assert rewards(**batch(problem_type=[UNKNOWN] * 4)) == [None] * 4
    with pytest.raises(RewardRefused):
        rewards(**batch(problem_type=[UNKNOWN] * 4))


def test_a_missing_column_ends_the_job(make, config):
    """It is missing on every rank."""
    columns = batch()
    del columns["solution"]
    with pytest.raises(BadCall, match="solution"):
        make(config)(**columns)


def test_no_prompts_have_no_rewards(make, config):
    """An empty batch asks nothing."""
    assert make(config)(prompts=[], completions=[]) == []


@pytest.mark.parametrize("kind", [RewardFunction, AsyncRewardFunction])
def test_a_function_pickles_with_its_settings_and_has_a_name(kind):
    """TRL's asynchronous trainer sends it to a child; its logs call it by name."""
    config = ClientConfig(url="http://rewards:1")
    copy = pickle.loads(pickle.dumps(kind(config, kind="ocr", spec="s")))  # noqa: S301 - our own
    assert (copy.config, copy.kind, copy.spec) == (config, "ocr", "s")
    assert copy.__name__ == "reward_service"


def test_every_trl_sees_that_the_function_is_asynchronous():
    """TRL 1.16 asks the object, earlier ones only take functions and methods."""
    function = AsyncRewardFunction()
    assert inspect.iscoroutinefunction(function.__call__)
    assert inspect.iscoroutinefunction(function.score)


def test_scaled_rewards_take_a_step_for_every_batch(server, config):
    """Steps grow with the trainer's; rewards come back divided by their scale."""
    scaled = ScaledRewards(RewardFunction(config), config, run="job")
    assert scaled(**batch()) == [0.0, 0.1, None, 0.3]
    scaled(**batch())
    scaled(**batch(trainer_state=SimpleNamespace(global_step=8)))
    steps = [seen.json for seen in server.posts if seen.path == "/advantage"]
    assert [step["step"] for step in steps] == [7000, 7001, 8000]
    assert steps[0]["rewards"] == [0.0, 1.0, None, 3.0]
    assert (len(set(steps[0]["groups"])), steps[0]["tasks"]) == (2, ["math"] * 4)


def test_each_rank_sends_its_own_part(server, config, monkeypatch):
    """The service folds a step when all ranks have sent theirs."""
    monkeypatch.setenv("WORLD_SIZE", "8")
    monkeypatch.setenv("RANK", "3")
    ScaledRewards(RewardFunction(config), config, run="job")(**batch())
    assert server.posts[-1].json["shard"] == {"index": 3, "count": 8}


def test_scaled_rewards_need_the_trainers_step(config):
    """Without a number there is no step to take."""
    with pytest.raises(BadCall, match="trainer_state"):
        ScaledRewards(RewardFunction(config), config, run="job")(**batch(trainer_state=None))


def test_a_job_that_resumes_puts_its_run_back(server, config):
    """A new process goes on from the checkpoint's step, not from the last that was taken."""
    server.runs["job"] = 9000
    scaled = ScaledRewards(RewardFunction(config), config, run="job")
    scaled(**batch())
    scaled(**batch(trainer_state=SimpleNamespace(global_step=8)))
    told = [(seen.path, seen.json["step"]) for seen in server.posts if "items" not in seen.json]
    assert told == [("/runs/job/rewind", 6999), ("/advantage", 7000), ("/advantage", 8000)]


def test_a_job_may_resume_where_the_service_starts_anew(server, config):
    """There is nothing to put back, and the averages begin at this step."""
    ScaledRewards(RewardFunction(config), config, run="job")(**batch())
    assert server.runs == {"job": 7000}


def test_other_ranks_wait_until_the_first_has_put_the_run_back(server, config, monkeypatch):
    """What they sent before would belong to a step that was taken long ago."""
    monkeypatch.setenv("WORLD_SIZE", "8")
    monkeypatch.setenv("RANK", "3")
    server.runs["job"] = 9000
    scaled = ScaledRewards(RewardFunction(config), config, run="job")
    with ThreadPoolExecutor(1) as pool:
        waiting = pool.submit(scaled, **batch())
        while not waiting.done() and "/runs/job" not in [seen.path for seen in server.seen]:
            time.sleep(0.01)
        sent = [seen.path for seen in server.posts]
        server.runs["job"] = 6999
        waiting.result(timeout=30)
    assert "/advantage" not in sent
    assert [seen.path for seen in server.posts][-1] == "/advantage"
    assert not any("rewind" in seen.path for seen in server.seen)


def test_a_rank_does_not_wait_for_ever(server, config, monkeypatch):
    """If the first rank is gone, so is the job."""
    monkeypatch.setenv("WORLD_SIZE", "8")
    monkeypatch.setenv("RANK", "3")
    server.runs["job"] = 9000
    scaled = ScaledRewards(RewardFunction(config), replace(config, budget_s=0.3), run="job")
    with pytest.raises(ClientError):
        scaled(**batch())
