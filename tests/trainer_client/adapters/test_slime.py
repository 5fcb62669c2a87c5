"""slime's calling conventions: `trainer_client.adapters.slime`."""

import asyncio
import json
from dataclasses import dataclass, field
from types import SimpleNamespace
from typing import Any

import pytest

from tests.trainer_client.scripted import UNKNOWN, UNREADABLE
from trainer_client.adapters import slime
from trainer_client.counting import StepCounter
from trainer_client.errors import BadCall, RewardUnavailable

ARGS = SimpleNamespace(reward_key="reward")


@dataclass
class Sample:
    """The fields of slime's sample that rewards have to do with."""

    response: str
    label: str | None = "4"
    prompt: Any = "2+2?"
    group_index: int | None = 0
    metadata: dict[str, Any] = field(default_factory=lambda: {"kind": "math"})
    reward: Any = None
    remove_sample: bool = False


@pytest.fixture(autouse=True)
def run(environment, monkeypatch):
    """A run of its own for each test."""
    environment(run="job")
    monkeypatch.setattr(slime, "steps", StepCounter())


def test_one_sample_or_a_group_is_scored():
    """With and without `--group-rm`, each sample gets a dictionary with the same keys."""
    one = asyncio.run(slime.reward(ARGS, Sample("xx")))
    many = asyncio.run(slime.reward(ARGS, [Sample("x"), Sample("xxx", label=UNREADABLE)]))
    assert one["reward"] == 2.0
    assert [told["scored"] for told in many] == [1.0, 0.0]
    assert one.keys() == many[0].keys() == many[1].keys()
    assert asyncio.run(slime.reward(ARGS, [])) == []


def test_a_sample_that_was_not_scored_leaves_the_loss():
    """Slime's own mark keeps it from the gradient."""
    sample = Sample("xx", label=UNREADABLE)
    asyncio.run(slime.reward(ARGS, sample))
    assert sample.remove_sample


@pytest.mark.parametrize(
    "bad", [{"label": None}, {"metadata": {"kind": UNKNOWN}}], ids=["no-label", "unknown-kind"]
)
def test_a_bad_sample_ends_no_rollout(bad):
    """Alone or in its group it leaves the loss like any other without a verdict."""
    one, many = Sample("xx", **bad), [Sample("x"), Sample("xx", **bad)]
    assert asyncio.run(slime.reward(ARGS, one))["scored"] == 0.0
    assert [told["scored"] for told in asyncio.run(slime.reward(ARGS, many))] == [1.0, 0.0]
    assert [sample.remove_sample for sample in (one, *many)] == [True, False, True]


def test_the_user_chooses_the_number_of_a_sample_without_a_verdict(environment):
    """The mark is set all the same; a mean needs a group, and `raise` ends the rollout."""
    bad = Sample("xx", label=UNREADABLE)
    environment(unscored="-0.5")
    told = asyncio.run(slime.reward(ARGS, bad))
    assert (told["reward"], told["scored"], bad.remove_sample) == (-0.5, 0.0, True)
    environment(unscored="group_mean")
    group = [Sample("x"), Sample("xxx"), Sample("xx", label=UNREADABLE)]
    assert [told["reward"] for told in asyncio.run(slime.reward(ARGS, group))] == [1.0, 3.0, 2.0]
    with pytest.raises(BadCall, match="group_mean"):
        asyncio.run(slime.reward(ARGS, bad))
    environment(unscored="raise")
    with pytest.raises(RewardUnavailable):
        asyncio.run(slime.reward(ARGS, bad))


def test_a_label_can_carry_the_whole_item(server):
    """Slime's data has one column for the truth."""
    label = json.dumps({"kind": "ocr", "ground_truth": "a", "group": "g"})
    asyncio.run(slime.reward(ARGS, Sample("x", label=label, metadata={})))
    (item,) = server.posts[0].json["items"]
    assert (item["kind"], item["ground_truth"], item["group"]) == ("ocr", "a", "g")


def test_the_hook_takes_a_step_over_all_samples(server):
    """Rewards go in as they are, unscored ones as null, and advantages come out."""
    samples = [Sample("x", group_index=n // 2) for n in range(4)]
    for sample, told in zip(samples, [1.0, 2.0, 3.0, None], strict=True):
        number = -0.5 if told is None else told
        sample.reward = {"reward": number, "scored": float(told is not None)}
    assert slime.advantages(ARGS, samples) == ([1.0, 2.0, 3.0, -0.5], [1.0, 2.0, 3.0, 0.0])
    assert [sample.remove_sample for sample in samples] == [False, False, False, True]
    (step,) = [seen.json for seen in server.posts if seen.path == "/advantage"]
    assert step["rewards"] == [1.0, 2.0, 3.0, None]
    assert (step["run"], step["groups"]) == ("job", ["0", "0", "1", "1"])
    assert step["tasks"] == ["math"] * 4


@pytest.mark.parametrize(("last", "following"), [(41, 42), (None, 0)], ids=["taken", "empty"])
def test_steps_count_on_from_where_the_run_stands(server, last, following):
    """A trainer that starts again goes on where the service says the run stands."""
    server.runs["job"] = last
    for _ in range(2):
        slime.advantages(ARGS, [Sample("x", reward=1.0)])
    taken = [seen.json["step"] for seen in server.posts]
    assert taken == [following, following + 1]


def test_plain_numbers_are_rewards_too():
    """`--rm-url` gives bare numbers, and the hook takes them."""
    samples = [Sample("x", reward=2.0), Sample("x", reward=0.5)]
    assert slime.advantages(ARGS, samples)[0] == [2.0, 0.5]
