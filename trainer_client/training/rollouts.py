"""Drawing rollouts: several responses to each prompt, token by token."""

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn.utils.rnn import pad_sequence

from trainer_client.training.config import SamplingConfig
from trainer_client.training.policy import Policy
from trainer_client.training.prompts import Prompt
from trainer_client.training.reading import Reading, continue_reading, read_prompts, temper


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
    rows: list[Tensor] = []
    with torch.no_grad(), policy.precision():
        for start in range(0, len(prompts), sampling.prompts_at_once):
            some = prompts[start : start + sampling.prompts_at_once]
            owners = torch.arange(len(some)).repeat_interleave(size)
            reading = read_prompts(policy, policy.model, some, owners)
            rows += _continue(policy, reading, sampling, dice)
    return gather_rollouts(policy, prompts, rows)


def gather_rollouts(policy: Policy, prompts: Sequence[Prompt], rows: Sequence[Tensor]) -> Rollouts:
    """Put responses together that were drawn one by one, each (its tokens,), groups in order."""
    lengths = torch.tensor([len(row) for row in rows], device=policy.device)
    tokens = pad_sequence(list(rows), batch_first=True, padding_value=policy.padding)
    mask = torch.arange(tokens.shape[1], device=policy.device) < lengths[:, None]
    texts = tuple(map(policy.encoder.decode, rows))
    return Rollouts(tuple(prompts), len(rows) // len(prompts), tokens, mask, texts)


def _continue(
    policy: Policy, reading: Reading, sampling: SamplingConfig, dice: torch.Generator | None
) -> list[Tensor]:
    """Return the tokens of each row, its end included."""
    logits = reading.logits
    shape, device = (len(logits), sampling.max_new_tokens), logits.device
    tokens = torch.full(shape, policy.padding, device=device)
    mask = torch.zeros(shape, dtype=torch.bool, device=device)
    rows = torch.arange(len(logits), device=device)
    for done in range(sampling.max_new_tokens):
        chosen = _choose(logits, sampling.temperature, dice)
        tokens[rows, done], mask[rows, done] = chosen, True
        (going_on,) = torch.isin(chosen, policy.stops, invert=True).nonzero(as_tuple=True)
        if not len(going_on) or done + 1 == sampling.max_new_tokens:
            break
        if len(going_on) < len(rows):
            rows, reading = rows[going_on], reading.keep(going_on)
        logits = continue_reading(policy.model, reading, chosen[going_on, None], done=done)[:, -1]
    return [row[kept] for row, kept in zip(tokens, mask, strict=True)]


def _choose(logits: Tensor, temperature: float, dice: torch.Generator | None) -> Tensor:
    if dice is None:
        return logits.argmax(-1)
    # One uniform number a row and a search: several times faster than `multinomial` on a CPU,
    # which draws one for every token of the vocabulary.
    levels = temper(logits, temperature).softmax(-1).double().cumsum(-1)
    draws = torch.rand(len(levels), 1, generator=dice, dtype=levels.dtype, device=levels.device)
    chosen = torch.searchsorted(levels, draws * levels[:, -1:], right=True).squeeze(-1)
    return chosen.clamp(max=levels.shape[-1] - 1)
