"""verl's own loaders, managers and advantage code, against a real service."""

import asyncio
import os

import numpy as np
import pytest
import ray
import torch
from omegaconf import OmegaConf
from tensordict import TensorDict
from verl import DataProto
from verl.experimental.reward_loop.reward_manager.naive import NaiveRewardManager
from verl.trainer.ppo.core_algos import get_adv_estimator_fn
from verl.trainer.ppo.ray_trainer import compute_advantage
from verl.trainer.ppo.reward import get_custom_reward_fn, load_reward_manager

from trainer_client.adapters.verl import ema_grpo
from trainer_client.client import RewardClient
from trainer_client.errors import RewardUnavailable

RUN = os.environ["REWARD_SERVICE_RUN"]
URL = os.environ["REWARD_SERVICE_URL"]
MODULE = "pkg://trainer_client.adapters.verl"
KEYS = {"score", "acc", "format", "structure", "scored"}
RESPONSES = ("the cat", "the dog", "a cat", "dog")
LENGTH = 4
CONFIG = {
    "actor_rollout_ref": {"rollout": {"multi_turn": {}}},
    "reward": {
        "custom_reward_function": {
            "path": MODULE,
            "name": "compute_score",
            "reward_kwargs": {"url": URL, "kind": "ocr"},
        },
        "reward_manager": {
            "source": "importlib",
            "name": "RewardServiceManager",
            "module": {"path": MODULE},
        },
    },
}


class Tokenizer:
    """Token n stands for the n-th response."""

    def decode(self, tokens, **_):
        """The response that the first token stands for; padding has been cut off."""
        assert len(tokens) == LENGTH - 1
        return f"<think>a</think><answer>{RESPONSES[int(tokens[0])]}</answer>"


def rollouts(truth="the cat", kind="ocr"):
    """A batch of two prompts with two responses each."""
    tokens = torch.arange(4).unsqueeze(1).repeat(1, LENGTH)
    mask = torch.ones(4, LENGTH, dtype=torch.long)
    mask[:, -1] = 0
    batch = {"responses": tokens, "attention_mask": mask, "response_mask": mask}
    columns = {
        "data_source": np.array(["demo"] * 4, dtype=object),
        "uid": np.array(["u1", "u1", "u2", "u2"], dtype=object),
        "reward_model": np.array([{"ground_truth": truth}] * 4, dtype=object),
        "extra_info": np.array([{"kind": kind, "index": n} for n in range(4)], dtype=object),
    }
    return DataProto(batch=TensorDict(batch, batch_size=4), non_tensor_batch=columns)


@pytest.fixture(scope="module", autouse=True)
def cluster():
    """A Ray of this machine."""
    ray.init(num_cpus=2, include_dashboard=False, log_to_driver=False)
    yield
    ray.shutdown()


def score(manager, data):
    """Every row, one after the other, as the reward loop has it."""

    async def one_by_one():
        return [await manager.run_single(data[at : at + 1]) for at in range(len(data))]

    loop = getattr(manager, "loop", None) or asyncio.new_event_loop()
    return loop.run_until_complete(one_by_one())


def test_verls_manager_calls_our_function():
    """Loaded by its path, awaited, and its keys are the extra information."""
    config = OmegaConf.create(CONFIG)
    manager = NaiveRewardManager(config, Tokenizer(), get_custom_reward_fn(config))
    told = score(manager, rollouts())
    assert [one["reward_score"] for one in told] == [1.5, 1.05, 1.05, 0.6]
    assert all(one["reward_extra_info"].keys() == KEYS for one in told)


def test_what_cannot_be_scored_raises_in_the_manager():
    """That rollout is marked as failed, and its siblings stay."""
    config = OmegaConf.create(CONFIG)
    manager = NaiveRewardManager(config, Tokenizer(), get_custom_reward_fn(config))
    with pytest.raises(RewardUnavailable):
        score(manager, rollouts(truth="no boxes", kind="tracking"))


def test_our_manager_and_estimator_make_the_runs_advantages():
    """The manager tells the driver the tasks; the advantages are those of the service."""
    assert get_adv_estimator_fn("ema_grpo") is ema_grpo
    data = rollouts()
    told = score(load_reward_manager(OmegaConf.create(CONFIG), Tokenizer()), data)
    rewards = [one["reward_score"] for one in told]
    assert rewards == [1.5, 1.05, 1.05, 0.6]
    data.batch["token_level_rewards"] = torch.zeros(4, LENGTH)
    data.batch["token_level_rewards"][:, LENGTH - 2] = torch.tensor(rewards)
    data = compute_advantage(data, "ema_grpo", config=OmegaConf.create({}))
    client = RewardClient(URL)
    expected = client.advantage(
        run=f"{RUN}-by-hand",
        step=0,
        rewards=data.batch["token_level_rewards"].sum(-1).tolist(),
        groups=["u1", "u1", "u2", "u2"],
        tasks=["ocr"] * 4,
    )
    rows = data.batch["advantages"]
    assert rows[:, 0].tolist() == pytest.approx(expected.advantages)
    assert rows[:, -1].tolist() == [0.0] * 4
    assert rows[:, :-1].std(dim=1).tolist() == [0.0] * 4
    assert client.run(RUN)["step"] == 0
