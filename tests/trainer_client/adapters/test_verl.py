"""verl's calling conventions: `trainer_client.adapters.verl`."""

import asyncio
import json
from types import SimpleNamespace

import numpy as np
import pytest

from tests.trainer_client.scripted import UNKNOWN, UNREADABLE
from trainer_client.adapters.verl import RewardServiceManager, compute_score
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
