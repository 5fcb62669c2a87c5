"""Tests for `trainer_client.training.learning`: what moves the policy, and what must not."""

from dataclasses import replace

import pytest
import torch
from torch.optim.lr_scheduler import LambdaLR

from trainer_client.training.config import LoraConfig, ObjectiveConfig, OptimiserConfig
from trainer_client.training.data import Question
from trainer_client.training.learning import Learner, Lesson, Update, learn
from trainer_client.training.policy import load_policy
from trainer_client.training.rollouts import draw_rollouts

ADVANTAGES = [1.0, -1.0, 0.5, 2.0, -0.5, -1.5]


@pytest.fixture
def rollouts(policy, job):
    """Two groups of three."""
    prompts = [policy.encoder.encode(Question("q", text, "ocr", "x")) for text in ("Hi", "Hello")]
    return draw_rollouts(policy, prompts, job.sampling, dice=torch.Generator().manual_seed(0))


def weights_after(job, rollouts, advantages=ADVANTAGES, **objective):
    """Every weight after one step of a fresh learner, and what the step reported."""
    job = replace(job, objective=ObjectiveConfig(**objective))
    learner = Learner.of(load_policy(job.model), job)
    update = learn(learner, rollouts, advantages, job)
    return [p.detach().clone() for p in learner.policy.trainable.values()], update


def distance(some, others):
    """The largest difference between two lists of weights."""
    return max((a - b).abs().max().item() for a, b in zip(some, others, strict=True))


def step_along_the_gradient(job, rollouts, **objective):
    """The weights after one plain step of size 1, which shows the gradient as it is."""
    job = replace(job, objective=ObjectiveConfig(**objective))
    policy = load_policy(job.model)
    optimiser = torch.optim.SGD(policy.trainable.values(), lr=1)
    learner = Learner(policy, optimiser, LambdaLR(optimiser, lambda _: 1.0))
    update = learn(learner, rollouts, ADVANTAGES, job)
    return [p.detach().clone() for p in policy.trainable.values()], update


@pytest.mark.parametrize("averaging", ["response", "token", "length"])
def test_accumulated_micro_batches_equal_one_big_batch(job, rollouts, averaging):
    """However the rollouts are cut, gradient and loss are those of one batch."""
    whole, one = step_along_the_gradient(job, rollouts, averaging=averaging, micro_batch=6)
    for micro_batch in (1, 2, 4):
        parts, many = step_along_the_gradient(
            job, rollouts, averaging=averaging, micro_batch=micro_batch
        )
        assert distance(whole, parts) < 1e-6
        assert many.grad_norm == pytest.approx(one.grad_norm, rel=1e-5)
        assert many.loss == pytest.approx(one.loss, abs=1e-6)


def test_a_rollout_without_an_advantage_takes_no_part(job, rollouts):
    """Whatever it says, the step is that of the others alone."""
    other = replace(rollouts, tokens=rollouts.tokens.clone())
    other.tokens[2] = 9
    advantages = [*ADVANTAGES[:2], None, *ADVANTAGES[3:]]
    one, _ = weights_after(job, rollouts, advantages)
    two, _ = weights_after(job, other, advantages)
    three, _ = weights_after(job, other, ADVANTAGES)
    assert distance(one, two) == 0
    assert distance(one, three) > 0


def test_a_step_in_which_nobody_takes_part_changes_nothing(job, rollouts):
    """All groups filtered or unscored: no optimiser step, and the report says so."""
    before = [p.detach().clone() for p in load_policy(job.model).trainable.values()]
    after, update = weights_after(job, rollouts, [None] * 6)
    assert distance(before, after) == 0
    assert update == Update()


def test_what_did_better_than_its_group_becomes_likelier(job, rollouts):
    """After a step the loss of the same rollouts under the old policy has fallen."""
    _, once = weights_after(job, rollouts, epochs=1, kl_weight=0.0)
    _, thrice = weights_after(job, rollouts, epochs=3, kl_weight=0.0)
    assert thrice.loss < once.loss
    assert once.clip_fraction == 0
    assert thrice.clip_fraction > 0


def test_the_first_pass_measures_against_the_policy_itself(job, rollouts):
    """Old log-probabilities, computed beforehand or taken as they come, give the same step."""
    one_group = [*ADVANTAGES[:3], None, None, None]
    taken, _ = weights_after(job, rollouts, one_group, updates=1)
    computed, _ = weights_after(job, rollouts, one_group, updates=2)
    assert distance(taken, computed) < 1e-6


def test_the_penalty_is_zero_before_the_first_move_and_holds_the_policy_back(job, rollouts):
    """The reference is the policy as it began; a heavy penalty keeps the policy near it."""
    _, once = weights_after(job, rollouts, kl_weight=1.0)
    assert once.kl == pytest.approx(0, abs=1e-6)
    _, free = weights_after(job, rollouts, epochs=6, kl_weight=1e-9)
    _, held = weights_after(job, rollouts, epochs=6, kl_weight=100.0)
    assert 0 < held.kl < free.kl


def test_groups_are_never_split_between_updates(rollouts):
    """An optimiser step's rows are whole groups, and every row is in exactly one."""
    lesson = Lesson(rollouts, torch.tensor([0, 2, 3, 4, 5]), torch.zeros(6), None, None)
    assert [part.tolist() for part in lesson.parts(2)] == [[0, 2], [3, 4, 5]]
    assert [part.tolist() for part in lesson.parts(5)] == [[0, 2], [3, 4, 5]]


def test_adapters_learn_and_are_lifted_for_the_reference(job, rollouts):
    """With LoRA only adapters learn, in the layers asked for, and the base stays the reference."""
    job = replace(job, model=replace(job.model, lora=LoraConfig(rank=2, layers=1)))
    learner = Learner.of(load_policy(job.model), job)
    names = list(learner.policy.trainable)
    assert names
    assert all("lora" in name and ".layers.1." in name for name in names)
    assert learn(learner, rollouts, ADVANTAGES, job).kl == 0
    assert learn(learner, rollouts, ADVANTAGES, job).kl > 0


@pytest.mark.parametrize(
    ("schedule", "expected"),
    [
        ("constant", [0.5, 1, 1, 1, 1]),
        ("linear", [0.5, 1, 1, 0.5, 0]),
        ("cosine", [0.5, 1, 1, 0.5, 0]),
    ],
)
def test_the_learning_rate_warms_up_and_follows_its_schedule(policy, job, schedule, expected):
    """It rises over `warmup` optimiser steps, then falls as the schedule says until the last."""
    settings = OptimiserConfig(learning_rate=1.0, warmup=2, schedule=schedule)
    learner = Learner.of(policy, replace(job, steps=4, optimiser=settings))
    rates = []
    for _ in range(5):
        rates += learner.scheduler.get_last_lr()
        learner.optimiser.step()
        learner.scheduler.step()
    assert rates == pytest.approx(expected)


def test_bfloat16_computes_but_does_not_hold_what_learns(job, rollouts):
    """Weights that learn stay float32, adapters too; a step in bf16 is near one in float32."""
    half = replace(job.model, dtype="bfloat16")
    learner = Learner.of(load_policy(half), job)
    assert {p.dtype for p in learner.policy.trainable.values()} == {torch.float32}
    update = learn(learner, rollouts, ADVANTAGES, job)
    _, single = weights_after(job, rollouts)
    assert update.kl == pytest.approx(0, abs=1e-6)
    assert update.grad_norm != single.grad_norm
    assert update.grad_norm == pytest.approx(single.grad_norm, rel=0.05)
    adapted = load_policy(replace(half, lora=LoraConfig(rank=2)))
    assert {p.dtype for p in adapted.trainable.values()} == {torch.float32}
    assert adapted.model.get_input_embeddings().weight.dtype == torch.bfloat16
