"""Drawing rollouts: several responses to each prompt, token by token."""

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from trainer_client.training.config import SamplingConfig
from trainer_client.training.policy import Policy
from trainer_client.training.prompts import Prompt
from trainer_client.training.reading import Reading, continue_reading, read_prompts


@dataclass(frozen=True, slots=True)
class Rollouts:
    """The responses of a step: `size` rows for each prompt, prompts in order.

    `tokens` and `mask` are (rows, longest response); after a response's end there is padding.
    """

    prompts: tuple[Prompt, ...]
    size: int
    tokens: Tensor
    mask: Tensor
    texts: tuple[str, ...]

    @property
    def lengths(self) -> Tensor:
        """Tokens of each response, its end included; (rows,)."""
        return self.mask.sum(-1)


def draw_rollouts(
    policy: Policy,
    prompts: Sequence[Prompt],
    sampling: SamplingConfig,
    *,
    dice: torch.Generator | None,
) -> Rollouts:
    """Draw `group_size` responses to each prompt; without dice, the likeliest one each."""
    size = sampling.group_size if dice else 1
    owners = torch.arange(len(prompts)).repeat_interleave(size)
    with torch.no_grad(), policy.precision():
        reading = read_prompts(policy, policy.model, prompts, owners)
        tokens, mask = _continue(policy, reading, sampling, dice)
    texts = [policy.encoder.decode(row[kept]) for row, kept in zip(tokens, mask, strict=True)]
    return Rollouts(tuple(prompts), size, tokens, mask, tuple(texts))


def _continue(
    policy: Policy, reading: Reading, sampling: SamplingConfig, dice: torch.Generator | None
) -> tuple[Tensor, Tensor]:
    logits = reading.logits
    open_rows = torch.ones(len(logits), dtype=torch.bool, device=logits.device)
    tokens, mask = [], []
    for done in range(sampling.max_new_tokens):
        chosen = _choose(logits, sampling.temperature, dice)
        tokens.append(torch.where(open_rows, chosen, policy.padding))
        mask.append(open_rows)
        open_rows = open_rows & ~torch.isin(chosen, policy.stops)
        if not open_rows.any() or done + 1 == sampling.max_new_tokens:
            break
        logits = continue_reading(policy.model, reading, tokens[-1][:, None], done=done)[:, -1]
    return torch.stack(tokens, dim=1), torch.stack(mask, dim=1)


def _choose(logits: Tensor, temperature: float, dice: torch.Generator | None) -> Tensor:
    if dice is None:
        return logits.argmax(-1)
    odds = (logits.float() / temperature).softmax(-1)
    return odds.multinomial(1, generator=dice).squeeze(-1)
