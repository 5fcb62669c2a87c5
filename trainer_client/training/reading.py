"""Forward passes that read each prompt once, however many rollouts continue it.

The rollouts of a group share their prompt, so its keys and values are computed once and
handed to every row; gradients flow back through them. The numbers are those of reading each
row from the start, to rounding.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor
from torch.nn.functional import cross_entropy

from trainer_client.training.policy import Policy
from trainer_client.training.prompts import Prompt, collate


@dataclass(frozen=True, slots=True)
class Reading:
    """Prompts that have been read, one row a rollout, ready to be continued.

    `cache` grows as rows are continued. `mask` is (rows, prompt length), `logits` (rows,
    vocabulary) predict the first token of each continuation, which stands at `start` (rows,).
    """

    cache: Any
    mask: Tensor
    logits: Tensor
    start: Tensor

    def keep(self, rows: Tensor) -> "Reading":
        """Return only the given rows, in that order; indices may repeat."""
        self.cache.batch_select_indices(rows)
        return Reading(self.cache, self.mask[rows], self.logits[rows], self.start[rows])


def read_prompts(policy: Policy, model: Any, prompts: Sequence[Prompt], owners: Tensor) -> Reading:
    """Read prompts with a model; `owners` (rows,) says which of them each row continues."""
    batch = collate(prompts, padding=policy.padding, device=policy.device)
    mask, positions = batch["attention_mask"], _positions(model, batch)
    output = model(**batch, position_ids=positions, use_cache=True, logits_to_keep=1)
    last = positions.reshape(-1, *mask.shape).amax((0, -1))
    reading = Reading(output.past_key_values, mask, output.logits[:, -1], last + 1)
    return reading.keep(owners.to(policy.device))


def continue_reading(model: Any, reading: Reading, tokens: Tensor, *, done: int = 0) -> Tensor:
    """Read `tokens` (rows, n) after the prompt and `done` more; logits (rows, n, vocabulary).

    Padding in `tokens` must be on the right: it is read, and nothing before it notices.
    """
    rows, length = tokens.shape
    grown = torch.ones(rows, done + length, dtype=reading.mask.dtype, device=tokens.device)
    positions = reading.start[:, None] + torch.arange(done, done + length, device=tokens.device)
    output = model(
        input_ids=tokens,
        attention_mask=torch.cat([reading.mask, grown], dim=1),
        position_ids=positions,
        past_key_values=reading.cache,
        use_cache=True,
    )
    logits: Tensor = output.logits
    return logits


def token_logprobs(logits: Tensor, tokens: Tensor, temperature: float) -> Tensor:
    """Return the log-probability of each token under logits of one more dimension."""
    logits = temper(logits, temperature)
    return -cross_entropy(logits.flatten(0, -2), tokens.flatten(), reduction="none").view_as(tokens)


def temper(logits: Tensor, temperature: float) -> Tensor:
    """Return float32 logits of the policy that samples at `temperature`."""
    logits = logits.float()
    # A vocabulary of logits is large: at temperature 1 it is not copied.
    return logits if temperature == 1.0 else logits / temperature


def response_logprobs(model: Any, reading: Reading, tokens: Tensor, temperature: float) -> Tensor:
    """Return log p of each token of some responses (rows, n), padded on the right."""
    first = token_logprobs(reading.logits, tokens[:, 0], temperature).unsqueeze(1)
    if tokens.shape[1] == 1:
        return first
    logits = continue_reading(model, reading, tokens[:, :-1])
    return torch.cat([first, token_logprobs(logits, tokens[:, 1:], temperature)], dim=1)


def _positions(model: Any, batch: dict[str, Tensor]) -> Tensor:
    """Positions (rows, length), or (3, rows, length) where what is seen gives them three axes."""
    mask = batch["attention_mask"]
    if "mm_token_type_ids" not in batch:
        return (mask.cumsum(-1) - 1).clamp(min=0)
    (rope,) = (m for m in model.modules() if hasattr(m, "get_rope_index"))
    positions: Tensor = rope.get_rope_index(
        batch["input_ids"],
        mm_token_type_ids=batch["mm_token_type_ids"],
        image_grid_thw=batch.get("image_grid_thw"),
        video_grid_thw=batch.get("video_grid_thw"),
        attention_mask=mask,
    )[0]
    return positions
