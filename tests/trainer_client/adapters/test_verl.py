"""verl's calling conventions: `trainer_client.adapters.verl`."""

import asyncio
import json
import sys
from types import ModuleType, SimpleNamespace

import numpy as np
import pytest

from tests.trainer_client.scripted import UNKNOWN, UNREADABLE
from trainer_client.adapters import verl
from trainer_client.adapters.verl import RewardServiceManager, compute_score
from trainer_client.counting import StepCounter
from trainer_client.errors import BadCall, RewardUnavailable

KEYS = {"score", "acc", "format", "structure", "scored"}


def call(**changes):
    """Call the reward function as verl does: by keywords, awaited."""
    arguments = {
        "data_source": "math",
        "solution_str": "xxx",
        "ground_truth": "4",
        "extra_info": {"num_turns": 1, "rollout_reward_scores": {}},
    }
    return asyncio.run(compute_score(**arguments | changes))


def test_every_result_has_the_same_keys(environment):
    """The framework takes the keys of the first sample for all."""
    del environment
    scored, lost = call(), call(ground_truth=UNREADABLE, unscored=0.0)
    assert scored.keys() == lost.keys() == KEYS
    assert json.loads(json.dumps(scored)) == scored
    assert (scored["score"], scored["scored"]) == (3.0, 1.0)
    assert (lost["score"], lost["scored"]) == (0.0, 0.0)


def test_what_was_not_scored_raises_unless_told_otherwise(environment):
    """The framework leaves out the rollout whose reward function raises."""
    del environment
    with pytest.raises(RewardUnavailable):
        call(ground_truth=UNREADABLE)


def test_a_bad_row_is_like_any_without_a_verdict(environment):
    """It raises, or gets the number that the legacy trainer needs."""
    del environment
    for bad in ({"ground_truth": None}, {"data_source": UNKNOWN}):
        with pytest.raises(RewardUnavailable):
            call(**bad)
        assert call(**bad, unscored=0.0)["scored"] == 0.0


def test_the_kind_is_the_rows_then_the_settings_then_the_source(server, environment):
    """The nearest word counts."""
    del environment
    call()
    call(kind="ocr")
    call(kind="ocr", extra_info={"kind": "tracking", "index": 3})
    assert [seen.json["items"][0]["kind"] for seen in server.posts] == ["math", "ocr", "tracking"]


def test_many_trajectories_at_once_share_connections(server, environment):
    """Each trajectory asks for itself, hundreds at a time."""
    del environment

    async def all_at_once():
        calls = [compute_score("math", "x" * n, "4") for n in range(200)]
        return await asyncio.gather(*calls)

    assert [told["score"] for told in asyncio.run(all_at_once())] == list(range(200))
    assert server.connections < 200


class Data:
    """As much of a `DataProto` as a manager reads: slices, rows, tensors and columns."""

    def __init__(self, batch, columns):
        self.batch, self.non_tensor_batch = batch, columns

    def __getitem__(self, key):
        pick = key if isinstance(key, slice) else int(key)
        return Data(
            {name: values[pick] for name, values in self.batch.items()},
            {name: values[pick] for name, values in self.non_tensor_batch.items()},
        )


def test_where_a_run_is_named_no_number_stands_for_a_verdict(environment):
    """`ema_grpo` could not tell it from a reward, and would fold it."""
    environment(run="job", unscored="0.0")
    with pytest.raises(BadCall, match="expected raise where a run is named"):
        RewardServiceManager(config=SimpleNamespace(reward={}), tokenizer=None)


def test_a_manager_scores_the_last_response_without_its_padding(server, environment):
    """Padding is cut by the attention mask, and the columns make up the item."""
    del environment
    tokens = np.array([[1, 1, 0, 0], [1, 1, 1, 0]])
    mask = np.array([[1, 1, 1, 0, 0], [1, 1, 1, 1, 0]])
    columns = {
        "data_source": np.array(["math", "math"], dtype=object),
        "reward_model": np.array([{"ground_truth": "3"}, {"ground_truth": "4"}], dtype=object),
        "uid": np.array(["u1", "u2"], dtype=object),
        "raw_prompt": np.array([None, [{"role": "user", "content": "2+2?"}]], dtype=object),
    }
    tokenizer = SimpleNamespace(decode=lambda ids, **_: "x" * len(ids))
    config = SimpleNamespace(reward={"custom_reward_function": {"reward_kwargs": {"kind": "ocr"}}})
    manager = RewardServiceManager(config=config, tokenizer=tokenizer, compute_score=None)
    told = asyncio.run(
        manager.run_single(Data({"responses": tokens, "attention_mask": mask}, columns))
    )
    assert told["reward_score"] == 3.0
    assert told["reward_extra_info"].keys() == KEYS
    (item,) = server.posts[0].json["items"]
    assert (item["kind"], item["ground_truth"], item["group"], item["prompt"]) == (
        "ocr",
        "4",
        "u2",
        "2+2?",
    )


class Cluster(ModuleType):
    """As much of Ray as the adapter uses: actors by name, whose calls are done when asked for."""

    def __init__(self):
        super().__init__("ray")
        self.actors = {}
        self.asked = []

    def remote(self, kind):
        """Make an actor's class, whose only instance has the name of its options."""

        def options(name, **rest):
            self.asked.append(rest)
            return SimpleNamespace(remote=lambda: self.actors.setdefault(name, Actor(kind())))

        return SimpleNamespace(options=options)

    def get(self, value):
        """Wait for what an actor returns."""
        return value


class Actor:
    """The methods of an object, each called by its `remote`."""

    def __init__(self, inner):
        self.inner = inner

    def __getattr__(self, name):
        return SimpleNamespace(remote=getattr(self.inner, name))


@pytest.fixture
def cluster(monkeypatch, environment):
    """A job of its own: a cluster, a named run and its steps."""
    environment(run="job")
    ray = Cluster()
    monkeypatch.setitem(sys.modules, "ray", ray)
    monkeypatch.setattr(verl, "steps", StepCounter())
    return ray


@pytest.fixture
def batch():
    """Rewards on the last token of four responses to two prompts, and which tokens count."""
    torch = pytest.importorskip("torch")
    rewards = torch.zeros(4, 3, dtype=torch.float64)
    rewards[:, 2] = torch.tensor([2.0, 1.0, 0.5, 0.25])
    mask = torch.tensor([[1, 1, 1], [1, 1, 0], [1, 0, 0], [1, 1, 1]])
    return rewards, mask, np.array(["u1", "u1", "u2", "u2"], dtype=object)


def test_a_batch_takes_a_step_of_the_run(server, cluster, batch):
    """The tasks are those that managers remembered; each token that counts has the advantage."""
    rewards, mask, uids = batch
    for uid, task in (("u1", "math"), ("u2", "ocr")):
        verl.task_directory().remember.remote(uid, task)
    advantages, returns = verl.ema_grpo(rewards, mask, config=None, index=uids, more=1)
    assert (advantages == rewards.sum(dim=1, keepdim=True) * mask).all()
    assert returns is advantages
    (step,) = [seen.json for seen in server.posts]
    assert (step["run"], step["step"]) == ("job", 0)
    assert step["rewards"] == [2.0, 1.0, 0.5, 0.25]
    assert step["groups"] == ["u1", "u1", "u2", "u2"]
    assert step["tasks"] == ["math", "math", "ocr", "ocr"]
    verl.ema_grpo(rewards, mask, index=uids)
    assert server.posts[-1].json["step"] == 1
    assert len(cluster.actors) == 1
    assert all(asked["get_if_exists"] and not asked["num_cpus"] for asked in cluster.asked)


def test_a_prompt_that_no_manager_scored_has_no_task(server, cluster, batch):
    """Its advantage would be divided by another task's deviation."""
    del cluster
    rewards, mask, uids = batch
    verl.task_directory().remember.remote("u1", "math")
    with pytest.raises(BadCall, match="2 prompts: use RewardServiceManager"):
        verl.ema_grpo(rewards, mask, index=uids)
    assert not server.posts


def test_a_manager_tells_the_task_of_its_prompt(cluster):
    """That is all that the estimator hears of a prompt but its name."""
    columns = {
        "data_source": np.array(["demo"], dtype=object),
        "reward_model": np.array([{"ground_truth": "4"}], dtype=object),
        "extra_info": np.array([{"kind": "OCR"}], dtype=object),
        "uid": np.array(["u1"], dtype=object),
    }
    tokens = {"responses": np.array([[1, 1]]), "attention_mask": np.array([[1, 1]])}
    tokenizer = SimpleNamespace(decode=lambda ids, **_: "x" * len(ids))
    manager = RewardServiceManager(config=SimpleNamespace(reward={}), tokenizer=tokenizer)
    asyncio.run(manager.run_single(Data(tokens, columns)))
    (actor,) = cluster.actors.values()
    assert actor.inner.recall(["u1", "u2"]) == ["ocr", None]


def test_the_estimator_is_made_known_once(monkeypatch):
    """The module may be imported by the driver and by its plugins."""
    core = ModuleType("verl.trainer.ppo.core_algos")
    core.ADV_ESTIMATOR_REGISTRY = {}
    calls = []

    def register_adv_est(name):
        calls.append(name)
        return lambda function: core.ADV_ESTIMATOR_REGISTRY.setdefault(name, function)

    core.register_adv_est = register_adv_est
    for name in ("verl", "verl.trainer", "verl.trainer.ppo"):
        monkeypatch.setitem(sys.modules, name, ModuleType(name))
    monkeypatch.setitem(sys.modules, core.__name__, core)
    verl.register()
    verl.register()
    assert core.ADV_ESTIMATOR_REGISTRY["ema_grpo"] is verl.ema_grpo
    assert calls == ["ema_grpo"]
