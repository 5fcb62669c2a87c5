"""POLAR's forward pass: transformers' Llama over a packed row, and a scalar at each last token."""

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch.nn import functional
from transformers import LlamaConfig, LlamaForSequenceClassification
from transformers.modeling_utils import AttentionInterface

from rewards.backends.polar_transformers.checkpoint import Shape
from rewards.backends.polar_transformers.packing import Block, Passage, pack
from rewards.backends.polar_transformers.weights import load_weights
from rewards.errors import BadModel

Tensor = Any

PACKED_ATTENTION = "packed_blocks"
OWN_ATTENTION = "sdpa"
AUTO = "auto"
DTYPES = {"fp32": torch.float32, "bf16": torch.bfloat16, "fp16": torch.float16}
CPU_EXHAUSTED = "can't allocate memory"
# How far two ways to compute one score may differ, for scores of about 10.
TOLERANCES = {torch.float32: 1e-3, torch.bfloat16: 0.5, torch.float16: 0.1}


@dataclass(frozen=True, slots=True)
class _BlockIndex:
    """Where in the row a block's queries and keys stand, and where its answers go.

    `queries` is `(spans, width)`, `keys` `(spans, past + width)`; of the flattened queries those
    at `real` are no padding and belong to `targets`. `mask` is added to the weights; a causal
    block without a past needs none.
    """

    queries: Tensor
    keys: Tensor
    real: Tensor
    targets: Tensor
    mask: Tensor | None


class RewardLlama:
    """A POLAR model on one device; not for two threads at once."""

    def __init__(self, shape: Shape, *, device: str, dtype: str) -> None:
        AttentionInterface.register(PACKED_ATTENTION, _attend_blocks)
        self.device = _find_device(device)
        self.dtype = _find_dtype(dtype, self.device)
        self._model = _empty_model(shape, self.device, self.dtype)
        self._shape = shape

    def load(self, tensors: Iterable[tuple[str, Tensor]]) -> None:
        """Fill in the weights, in InternLM2's own names and layout."""
        load_weights(self._model, tensors, self._shape)

    def score(self, passages: Sequence[Passage], *, share: bool = True) -> list[float]:
        """Raw scores of the passages, all in one forward pass without padding.

        Raises `MemoryError` when the device has not enough for them.
        """
        packed = pack(passages, share=share)
        try:
            with torch.inference_mode():
                hidden = self._model.model(
                    input_ids=self._numbers(packed.tokens)[None],
                    position_ids=self._numbers(packed.positions)[None],
                    use_cache=False,
                    blocks=[self._index(block) for block in packed.blocks],
                ).last_hidden_state[0]
                return self._heads(hidden[self._numbers(packed.ends)])
        except RuntimeError as error:
            if isinstance(error, torch.OutOfMemoryError) or CPU_EXHAUSTED in str(error):
                raise MemoryError(str(error)) from None
            raise

    def score_padded(self, passages: Sequence[Passage]) -> list[float]:
        """The same scores the plain way: one padded batch through transformers' own attention."""
        width = max(len(passage.tokens) for passage in passages)
        rows = [passage.tokens + (0,) * (width - len(passage.tokens)) for passage in passages]
        ends = self._numbers([len(passage.tokens) - 1 for passage in passages])
        self._model.set_attn_implementation(OWN_ATTENTION)
        try:
            with torch.inference_mode():
                hidden = self._model.model(
                    input_ids=self._numbers(rows),
                    attention_mask=torch.arange(width, device=self.device) <= ends[:, None],
                    use_cache=False,
                ).last_hidden_state
                return self._heads(hidden[torch.arange(len(rows), device=self.device), ends])
        finally:
            self._model.set_attn_implementation(PACKED_ATTENTION)

    def verify(self, passages: Sequence[Passage]) -> None:
        """Score a few passages both ways; raise `BadModel` where the ways disagree.

        This is what notices a transformers release that calls attention differently.
        """
        ours, plain = self.score(passages), self.score_padded(passages)
        for one, other in zip(ours, plain, strict=True):
            if not math.isfinite(one) or abs(one - other) > TOLERANCES[self.dtype]:
                raise BadModel(f"the model scores {one} packed and {other} padded; expected one")

    def free_memory(self) -> None:
        """Give back what the allocator holds, after it ran out."""
        if self.device.type == "cuda":
            torch.cuda.empty_cache()

    def _heads(self, hidden: Tensor) -> list[float]:
        # In bfloat16 a score near -11 would be rounded to a sixteenth.
        weight = self._model.score.weight.float()
        scores: list[float] = functional.linear(hidden.float(), weight)[:, 0].tolist()
        return scores

    def _index(self, block: Block) -> _BlockIndex:
        width, past = block.spans[0].length, block.past
        offsets = torch.arange(width, device=self.device)
        starts = self._numbers([span.start for span in block.spans])[:, None]
        real = offsets < self._numbers([span.length for span in block.spans])[:, None]
        queries = starts + offsets * real
        chosen = real.flatten().nonzero()[:, 0]
        targets = queries.flatten()[chosen]
        if not past.length:
            return _BlockIndex(queries, queries, chosen, targets, None)
        before = torch.arange(past.start, past.start + past.length, device=self.device)
        keys = torch.cat([before.expand(len(block.spans), -1), queries], dim=1)
        unseen = torch.full((width, past.length + width), -math.inf, device=self.device)
        mask = unseen.triu(past.length + 1).to(self.dtype)
        return _BlockIndex(queries, keys, chosen, targets, mask)

    def _numbers(self, values: Sequence[Any]) -> Tensor:
        return torch.tensor(values, dtype=torch.long).to(self.device)


def _find_device(name: str) -> torch.device:
    try:
        device = torch.device(name)
    except RuntimeError:
        raise BadModel(f"expected a device such as cpu, cuda or cuda:1; got {name!r}") from None
    if device.type == "cuda" and not torch.cuda.is_available():
        raise BadModel(f"device {name}: this PyTorch ({torch.__version__}) sees no CUDA device")
    return device


def _find_dtype(name: str, device: torch.device) -> torch.dtype:
    if name == AUTO:
        return torch.bfloat16 if device.type == "cuda" else torch.float32
    if name not in DTYPES:
        raise BadModel(f"expected a dtype of {AUTO}, {', '.join(DTYPES)}; got {name!r}")
    return DTYPES[name]


def _empty_model(shape: Shape, device: torch.device, dtype: torch.dtype) -> Any:
    config = LlamaConfig(
        vocab_size=shape.vocabulary,
        hidden_size=shape.hidden,
        intermediate_size=shape.intermediate,
        num_hidden_layers=shape.layers,
        num_attention_heads=shape.heads,
        num_key_value_heads=shape.kv_heads,
        max_position_embeddings=shape.positions,
        rms_norm_eps=shape.norm_epsilon,
        rope_parameters={"rope_type": "default", "rope_theta": shape.rope_theta},
        num_labels=1,
        attn_implementation=PACKED_ATTENTION,
    )
    with torch.device("meta"):
        model = LlamaForSequenceClassification(config).to(dtype)
    model = model.to_empty(device=device)
    # The rotary frequencies are no weights: on the meta device they were never computed.
    model.model.rotary_emb = type(model.model.rotary_emb)(config=config).to(device)
    return model.eval()


def _attend_blocks(
    module: Any,
    query: Tensor,
    key: Tensor,
    value: Tensor,
    *_masks: None,
    scaling: float,
    blocks: Sequence[_BlockIndex],
    **_: object,
) -> tuple[Tensor, None]:
    """Attention over a packed row; `query` is `(1, heads, tokens, head)`, the answer transposed.

    The blocks say who sees what, so transformers makes no mask. Padding stands at the right of
    its span and attention looks left, so no real query sees it.
    """
    out = torch.empty_like(query[0].transpose(0, 1))
    for block in blocks:
        keys, values = (_gather(states, block.keys) for states in (key, value))
        # On a GPU the kernel that takes a mask wants as many heads of keys as of queries.
        grouped = block.mask is None or not query.is_cuda
        if not grouped:
            per_head = module.num_key_value_groups
            keys, values = (s.repeat_interleave(per_head, dim=1) for s in (keys, values))
        attended = functional.scaled_dot_product_attention(
            _gather(query, block.queries),
            keys,
            values,
            attn_mask=block.mask,
            is_causal=block.mask is None,
            scale=scaling,
            enable_gqa=grouped,
        )
        rows = attended.transpose(1, 2).flatten(0, 1)
        out.index_copy_(0, block.targets, rows.index_select(0, block.real))
    return out[None], None


def _gather(states: Tensor, rows: Tensor) -> Tensor:
    """Copy rows of `(1, heads, tokens, head)` to `(spans, heads, width, head)`."""
    by_token = states[0].transpose(0, 1)
    return by_token.index_select(0, rows.flatten()).unflatten(0, rows.shape).transpose(1, 2)
