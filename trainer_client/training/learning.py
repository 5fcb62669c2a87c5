"""One step of learning: the policy moves towards rollouts that did better than their group."""

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from trainer_client.training.config import OptimiserConfig, TrainingConfig
from trainer_client.training.loss import grpo_objective, token_weights
from trainer_client.training.policy import Policy
from trainer_client.training.reading import read_prompts, response_logprobs
from trainer_client.training.rollouts import Rollouts

SCHEDULES: Mapping[str, Callable[[float], float]] = {
    "constant": lambda _: 1.0,
    "linear": lambda done: 1.0 - done,
    "cosine": lambda done: (1.0 + math.cos(math.pi * done)) / 2.0,
}


@dataclass(frozen=True, slots=True)
class Learner:
    """A policy and what moves it."""

    policy: Policy
    optimiser: torch.optim.Optimizer
    scheduler: torch.optim.lr_scheduler.LambdaLR

    @classmethod
    def of(cls, policy: Policy, config: TrainingConfig) -> "Learner":
        """Give a policy AdamW and a learning rate that follows the configured schedule."""
        settings = config.optimiser
        optimiser = torch.optim.AdamW(
            policy.trainable.values(),
            lr=settings.learning_rate,
            betas=settings.betas,
            weight_decay=settings.weight_decay,
        )
        total = config.steps * config.objective.epochs * config.objective.updates
        return cls(
            policy, optimiser, torch.optim.lr_scheduler.LambdaLR(optimiser, _rate(settings, total))
        )


def _rate(settings: OptimiserConfig, total: int) -> Callable[[int], float]:
    def rate(taken: int) -> float:
        if taken < settings.warmup:
            return (taken + 1) / settings.warmup
        done = (taken - settings.warmup) / max(1, total - settings.warmup)
        return SCHEDULES[settings.schedule](min(1.0, done))

    return rate


@dataclass(frozen=True, slots=True)
class Update:
    """What a step did to the policy: means over its optimiser steps, all 0 if it took none."""

    loss: float = 0.0
    kl: float = 0.0
    clip_fraction: float = 0.0
    grad_norm: float = 0.0


@dataclass(frozen=True, slots=True)
class Lesson:
    """The rollouts of a step and all that stands still while the policy moves.

    `rows` are those that take part. `advantages` is (all rows,); `old` and `reference` are
    (all rows, tokens) log-probabilities; `old` is None where the policy has not moved yet when
    it learns, `reference` where nothing holds it back.
    """

    rollouts: Rollouts
    rows: Tensor
    advantages: Tensor
    old: Tensor | None
    reference: Tensor | None

    def parts(self, count: int) -> list[Tensor]:
        """Return the rows of each of `count` optimiser steps, groups kept whole."""
        owners = self.rows // self.rollouts.size
        shares = owners.unique().tensor_split(count)
        return [self.rows[torch.isin(owners, share)] for share in shares if len(share)]


def learn(
    learner: Learner,
    rollouts: Rollouts,
    advantages: Sequence[float | None],
    config: TrainingConfig,
) -> Update:
    """Move the policy by a step's rollouts; one whose advantage is None takes no part."""
    rows = [row for row, advantage in enumerate(advantages) if advantage is not None]
    if not rows:
        return Update()
    lesson = _prepare(learner.policy, rollouts, torch.tensor(rows), advantages, config)
    taken = [
        _update(learner, lesson, rows, config)
        for _ in range(config.objective.epochs)
        for rows in lesson.parts(config.objective.updates)
    ]
    return Update(*torch.stack(taken).mean(0).tolist())


def _prepare(
    policy: Policy,
    rollouts: Rollouts,
    rows: Tensor,
    advantages: Sequence[float | None],
    config: TrainingConfig,
) -> Lesson:
    moves = config.objective.epochs * config.objective.updates > 1
    old = _fixed_logprobs(policy, policy.model, rollouts, rows, config) if moves else None
    reference = None
    if config.objective.kl_weight > 0:
        with policy.reference() as model:
            reference = _fixed_logprobs(policy, model, rollouts, rows, config)
    values = torch.tensor([value or 0.0 for value in advantages], device=policy.device)
    return Lesson(rollouts, rows, values, old, reference)


def _fixed_logprobs(
    policy: Policy, model: Any, rollouts: Rollouts, rows: Tensor, config: TrainingConfig
) -> Tensor:
    logprobs = torch.zeros(rollouts.tokens.shape, device=policy.device)
    with torch.no_grad():
        for micro in rows.split(config.objective.micro_batch):
            some = _logprobs(policy, model, rollouts, micro, config.sampling.temperature)
            logprobs[micro, : some.shape[1]] = some
    return logprobs


def _logprobs(
    policy: Policy, model: Any, rollouts: Rollouts, rows: Tensor, temperature: float
) -> Tensor:
    """Return log p of the rows' tokens, (rows, longest of these responses)."""
    owners, within = (rows // rollouts.size).unique(return_inverse=True)
    longest = int(rollouts.lengths[rows].max())
    with policy.precision():
        reading = read_prompts(policy, model, [rollouts.prompts[i] for i in owners], within)
        return response_logprobs(model, reading, rollouts.tokens[rows, :longest], temperature)


def _update(learner: Learner, lesson: Lesson, rows: Tensor, config: TrainingConfig) -> Tensor:
    """Take one optimiser step; return loss, kl, clip fraction and gradient norm, (4,)."""
    settings = config.objective
    weights = token_weights(
        lesson.rollouts.mask[rows], settings.averaging, config.sampling.max_new_tokens
    )
    learner.policy.model.train()
    sums = [
        _accumulate(learner.policy, lesson, micro, share, config)
        for micro, share in zip(
            rows.split(settings.micro_batch), weights.split(settings.micro_batch), strict=True
        )
    ]
    learner.policy.model.eval()
    norm = torch.nn.utils.clip_grad_norm_(
        learner.policy.trainable.values(), config.optimiser.max_grad_norm
    )
    learner.optimiser.step()
    learner.scheduler.step()
    learner.optimiser.zero_grad()
    return torch.cat([torch.stack(sums).sum(0), norm.reshape(1)]).cpu()


def _accumulate(
    policy: Policy, lesson: Lesson, rows: Tensor, weights: Tensor, config: TrainingConfig
) -> Tensor:
    """Add one micro-batch's gradient; return its share of loss, kl and clip fraction, (3,)."""
    logprobs = _logprobs(policy, policy.model, lesson.rollouts, rows, config.sampling.temperature)
    longest = logprobs.shape[1]
    objective = grpo_objective(
        logprobs,
        logprobs.detach() if lesson.old is None else lesson.old[rows, :longest],
        None if lesson.reference is None else lesson.reference[rows, :longest],
        lesson.advantages[rows],
        weights[:, :longest],
        settings=config.objective,
    )
    objective.loss.backward()
    return torch.stack([objective.loss.detach(), objective.kl, objective.clipped])
