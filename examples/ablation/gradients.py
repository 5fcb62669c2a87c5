"""How much of a step's gradient comes from each of its prompts."""

import torch

from trainer_client.training.config import TrainingConfig
from trainer_client.training.experience import Experience
from trainer_client.training.loss import grpo_objective, token_weights
from trainer_client.training.policy import Policy
from trainer_client.training.reading import read_prompts, response_logprobs


def measure_prompts(policy: Policy, experience: Experience, config: TrainingConfig) -> list[float]:
    """Return the norm of each prompt's own part of the step's policy gradient, (prompts,).

    The parts add up to the whole gradient of the first update, the penalty left out.
    """
    gradients = prompt_gradients(policy, experience, config)
    return [float(gradient.norm()) for gradient in gradients]


def prompt_gradients(
    policy: Policy, experience: Experience, config: TrainingConfig
) -> list[torch.Tensor]:
    """Return each prompt's part of the policy gradient, flattened, (weights that learn,)."""
    rollouts = experience.rollouts
    part = torch.tensor([advantage is not None for advantage in experience.advantages])
    values = torch.tensor([advantage or 0.0 for advantage in experience.advantages])
    mask = rollouts.mask & part[:, None]
    weights = token_weights(mask, config.objective.averaging, config.sampling.max_new_tokens)
    found = []
    for owner, prompt in enumerate(rollouts.prompts):
        rows = slice(owner * rollouts.size, (owner + 1) * rollouts.size)
        owners = torch.zeros(rollouts.size, dtype=torch.long)
        longest = int(rollouts.lengths[rows].max())
        reading = read_prompts(policy, policy.model, [prompt], owners)
        tokens = rollouts.tokens[rows, :longest]
        logprobs = response_logprobs(policy.model, reading, tokens, config.sampling.temperature)
        loss = grpo_objective(
            logprobs,
            logprobs.detach(),
            None,
            values[rows],
            weights[rows, :longest],
            settings=config.objective,
        ).loss
        parts = torch.autograd.grad(loss, list(policy.trainable.values()))
        found.append(torch.cat([one.flatten() for one in parts]))
    return found
