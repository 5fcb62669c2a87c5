"""Tests for `trainer_client.training.checkpoints`."""

from dataclasses import replace

import pytest
import torch

from trainer_client.training.checkpoints import (
    STATE,
    list_checkpoints,
    load_checkpoint,
    save_checkpoint,
)
from trainer_client.training.config import LoraConfig
from trainer_client.training.errors import BadCheckpoint
from trainer_client.training.learning import Learner
from trainer_client.training.policy import load_policy


@pytest.fixture
def learner(policy, job):
    """A learner that has taken one optimiser step of nothing in particular."""
    learner = Learner.of(policy, job)
    for parameter in policy.trainable.values():
        parameter.grad = torch.ones_like(parameter)
    learner.optimiser.step()
    learner.scheduler.step()
    return learner


def save(folder, learner, step=7, **options):
    """A checkpoint of run `a`."""
    dice = torch.Generator().manual_seed(3)
    return save_checkpoint(folder, step, learner, dice, **{"run": "a", "keep": 2} | options)


def test_everything_comes_back_as_it_was(tmp_path, learner, job):
    """Weights, both moments of the optimiser, the schedule, and what every die shows next."""
    torch.manual_seed(11)
    path = save(tmp_path, learner)
    expected = torch.rand(3)
    torch.manual_seed(99)
    fresh, dice = Learner.of(load_policy(job.model), job), torch.Generator()
    assert load_checkpoint(path, fresh, dice, run="a") == 7
    assert torch.equal(torch.rand(3), expected)
    assert torch.equal(
        torch.rand(3, generator=dice), torch.rand(3, generator=torch.Generator().manual_seed(3))
    )
    for name, parameter in learner.policy.trainable.items():
        assert torch.equal(parameter, fresh.policy.trainable[name])
    one, two = (each.optimiser.state_dict()["state"] for each in (learner, fresh))
    assert all(torch.equal(one[i]["exp_avg_sq"], two[i]["exp_avg_sq"]) for i in one)
    assert fresh.scheduler.state_dict()["last_epoch"] == 1


def test_only_the_newest_are_kept(tmp_path, learner):
    """Older ones go once a newer one is whole."""
    for step in (1, 2, 10):
        save(tmp_path, learner, step)
    assert [path.name for path in list_checkpoints(tmp_path)] == ["step-000002", "step-000010"]


def test_an_unfinished_checkpoint_is_not_one(tmp_path, learner):
    """What a crash left half written is never listed, and the next save clears it away."""
    folder = tmp_path / "checkpoints"
    (folder / ".step-000009").mkdir(parents=True)
    assert list_checkpoints(folder) == []
    save(folder, learner, 9)
    assert [path.name for path in folder.iterdir()] == ["step-000009"]


def test_a_checkpoint_can_be_written_again(tmp_path, learner):
    """A step that is taken a second time takes the place of the first."""
    assert save(tmp_path, learner) == save(tmp_path, learner)
    assert len(list_checkpoints(tmp_path)) == 1


def test_another_runs_checkpoint_is_refused(tmp_path, learner):
    """Its sigma would be another run's too."""
    path = save(tmp_path, learner)
    with pytest.raises(BadCheckpoint, match="expected run 'b'; it belongs to 'a'"):
        load_checkpoint(path, learner, torch.Generator(), run="b")


def test_a_checkpoint_of_other_weights_is_refused(tmp_path, learner, job):
    """Adapters cannot be resumed as a whole model, nor in another shape."""
    path = save(tmp_path, learner)
    small, large = (
        Learner.of(load_policy(replace(job.model, lora=LoraConfig(rank=rank))), job)
        for rank in (2, 4)
    )
    with pytest.raises(BadCheckpoint, match="other weights learn now than then"):
        load_checkpoint(path, small, torch.Generator(), run="a")
    with pytest.raises(BadCheckpoint, match=r"expected .* as \(4, 32\); got \(2, 32\)"):
        load_checkpoint(save(tmp_path, small), large, torch.Generator(), run="a")


@pytest.mark.parametrize("damage", ["missing", "cut"])
def test_a_damaged_checkpoint_is_refused(tmp_path, learner, damage):
    """A file that is not there, or not whole."""
    path = save(tmp_path, learner)
    if damage == "missing":
        (path / STATE).unlink()
    else:
        (path / STATE).write_bytes((path / STATE).read_bytes()[:100])
    with pytest.raises(BadCheckpoint, match="step-000007"):
        load_checkpoint(path, learner, torch.Generator(), run="a")
