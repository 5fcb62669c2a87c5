"""TRL's own trainer, a few real steps of a tiny model, against a real service."""

import json
import math
import os
import subprocess
import sys

import pytest
import trl

from tests.e2e.tiny_trl import GROUP, STEPS, recording, train
from tests.house.source import ROOT
from trainer_client.adapters.trl import AsyncRewardFunction, RewardFunction
from trainer_client.adapters.trl_advantages import ScaledRewards
from trainer_client.client import RewardClient

pytestmark = [pytest.mark.slow, pytest.mark.filterwarnings("ignore::FutureWarning:transformers")]


def logged(trainer, name):
    """Every value of a metric that was logged."""
    return [line[name] for line in trainer.state.log_history if name in line]


def advantages_by_hand(client, run, number, rewards, tasks):
    """What the service answers for a whole batch in TRL's groups."""
    groups = [str(at // GROUP) for at in range(len(rewards))]
    answer = client.advantage(run=run, step=number, rewards=rewards, groups=groups, tasks=tasks)
    return [advantage or 0.0 for advantage in answer.advantages]


def assert_same_averages(client, *runs):
    """The runs' moving averages agree but for rounding: TRL keeps rewards in single precision."""
    one, other = (client.run(run)["tasks"] for run in runs)
    assert one.keys() == other.keys()
    assert [one[task] for task in one] == [pytest.approx(other[task], rel=1e-6) for task in one]


@pytest.mark.parametrize("function", [RewardFunction, AsyncRewardFunction])
def test_a_trainer_learns_from_the_service(function, service, tmp_path):
    """Rewards arrive at every step, sync and async, and unscored ones are left out."""
    trainer = train(trl.GRPOTrainer, function(service.url), tmp_path)
    means = logged(trainer, "rewards/reward_service/mean")
    assert len(means) == STEPS
    assert all(math.isfinite(mean) for mean in means)
    assert all(math.isfinite(loss) for loss in logged(trainer, "loss"))
    assert sum(logged(trainer, "reward_service/unscored")) > 0


def test_advantages_over_the_whole_batch_are_the_services(service, tmp_path):
    """What the trainer used is what the run answers for the same rewards, step by step."""
    url = service.url
    trainer = train(recording(url, "trl-exact"), RewardFunction(url), tmp_path)
    client = RewardClient(url)
    for number, step in enumerate(trainer.steps):
        used = step.pop("used")
        assert any(used)
        assert used == pytest.approx(advantages_by_hand(client, "trl-by-hand", number, **step))
    assert client.run("trl-exact")["step"] == (STEPS - 1) * 1000
    assert client.run("trl-exact")["tasks"] == client.run("trl-by-hand")["tasks"]
    assert logged(trainer, "sigma/ocr")


def test_scaled_rewards_come_to_the_same(service, tmp_path):
    """The same seed by scaled rewards ends with the same averages and the same model."""
    url = service.url
    exact = train(recording(url, "trl-whole"), RewardFunction(url), tmp_path)
    rewards = ScaledRewards(RewardFunction(url), url, run="trl-scaled")
    scaled = train(trl.GRPOTrainer, rewards, tmp_path, scale_rewards="none")
    assert_same_averages(RewardClient(url), "trl-scaled", "trl-whole")
    assert [any(step["used"]) for step in exact.steps] == [True] * STEPS
    for one, other in zip(exact.model.parameters(), scaled.model.parameters(), strict=True):
        assert (one - other).abs().max().item() < 1e-5


def test_ranks_share_one_step(service, tmp_path):
    """Two processes, a group spread over both: one update a step, and each has its own part."""
    launch = [sys.executable, "-m", "torch.distributed.run", "--nproc-per-node", "2"]
    ranks = [*launch, "-m", "tests.e2e.tiny_trl", service.url, str(tmp_path)]
    environment = {**os.environ, "OMP_NUM_THREADS": "1"}
    subprocess.run(ranks, check=True, cwd=ROOT, env=environment, capture_output=True, timeout=300)
    first, second = (json.loads((tmp_path / f"rank-{n}.json").read_text()) for n in (0, 1))
    client = RewardClient(service.url)
    for number, (one, two) in enumerate(zip(first, second, strict=True)):
        used = one.pop("used") + two.pop("used")
        assert any(used)
        assert one == two
        assert used == pytest.approx(advantages_by_hand(client, "ranks-by-hand", number, **one))
    assert client.run("ranks-exact")["tasks"] == client.run("ranks-by-hand")["tasks"]
    assert_same_averages(client, "ranks-scaled", "ranks-exact")


def test_a_resumed_trainer_puts_its_run_back(service, tmp_path):
    """From its checkpoint the trainer goes on as if the later steps had not been."""
    trainer_class = recording(service.url, "trl-resumed")
    first = train(trainer_class, RewardFunction(service.url), tmp_path)
    again = trainer_class(
        model=first.model,
        args=first.args,
        reward_funcs=first.reward_funcs,
        train_dataset=first.train_dataset,
        processing_class=first.processing_class,
    )
    again.state.global_step = STEPS - 1
    again._batch = first._batch
    assert again._take_step().state_version == STEPS
    assert RewardClient(service.url).run("trl-resumed")["step"] == (STEPS - 1) * 1000
