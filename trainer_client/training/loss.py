"""The GRPO objective: clipped policy gradient, k3 penalty, and who counts how much.

Reference: OneThinker (arXiv 2512.03043), eq. 12; the k3 estimator is Schulman's (2020).
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

import torch
from torch import Tensor

from trainer_client.training.config import ObjectiveConfig

Averaging = Literal["response", "token", "length"]


@dataclass(frozen=True, slots=True)
class Objective:
    """The loss of a set of rollouts, and what moved it; all zero-dimensional tensors.

    `loss` carries the gradient. `kl` and `clipped` are weighted as the loss is.
    """

    loss: Tensor
    kl: Tensor
    clipped: Tensor


def k3(logprobs: Tensor, reference: Tensor) -> Tensor:
    """Return the k3 estimate of KL(policy ‖ reference) for each sampled token.

    With r = p_ref/p, k3 = r - 1 - ln r: unbiased, never negative, low in variance.

    >>> k3(torch.tensor([0.5]).log(), torch.tensor([0.25]).log())
    tensor([0.1931])
    """
    gap = reference - logprobs
    return gap.exp() - gap - 1


def token_weights(mask: Tensor, averaging: Averaging, length: int) -> Tensor:
    """Return each token's share of the objective, shape of `mask`; padding has none.

    `response`: every response counts the same (GRPO, eq. 12). `token`: every token counts the
    same (DAPO). `length`: as `response`, but divided by the longest allowed `length`
    (Dr. GRPO). Taken over a whole optimiser step, so that micro-batches simply add up.

    >>> token_weights(torch.tensor([[1, 1], [1, 0]]), "response", 4)
    tensor([[0.2500, 0.2500],
            [0.5000, 0.0000]])
    """
    ones = mask.float()
    responses = ones.any(-1).sum().clamp(min=1)
    divisors: Mapping[Averaging, Tensor] = {
        "response": responses * ones.sum(-1, keepdim=True).clamp(min=1),
        "token": ones.sum().clamp(min=1),
        "length": responses * length,
    }
    return ones / divisors[averaging]


def grpo_objective(
    logprobs: Tensor,
    old: Tensor,
    reference: Tensor | None,
    advantages: Tensor,
    weights: Tensor,
    *,
    settings: ObjectiveConfig,
) -> Objective:
    """Return the weighted sum of -min(rA, clip(r, 1-ε, 1+ε)A) + β·k3 over all tokens; r = p/p_old.

    `logprobs`, `old`, `reference` and `weights` are (rows, tokens), `advantages` is (rows,).
    `weights` come from `token_weights`; without a `reference` there is no penalty.
    """
    ratio = (logprobs - old).exp()
    gain = ratio * advantages[:, None]
    capped = ratio.clamp(1 - settings.clip_low, 1 + settings.clip_high) * advantages[:, None]
    divergence = torch.zeros_like(gain) if reference is None else k3(logprobs, reference)
    per_token = settings.kl_weight * divergence - torch.minimum(gain, capped)
    return Objective(
        loss=(per_token * weights).sum(),
        kl=(divergence.detach() * weights).sum(),
        clipped=((capped < gain).float() * weights).sum(),
    )
