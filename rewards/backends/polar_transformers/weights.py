"""InternLM2's weights, renamed and unfused into Llama's, none missing and none left over."""

from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError, safe_open

from rewards.backends.polar_transformers.checkpoint import Shape
from rewards.errors import BadModel

Tensor = Any

OUTER_NAMES = {
    "model.tok_embeddings.weight": "model.embed_tokens.weight",
    "model.norm.weight": "model.norm.weight",
    "v_head.weight": "score.weight",
}
LAYER_NAMES = {
    "attention.wo.weight": "self_attn.o_proj.weight",
    "attention_norm.weight": "input_layernorm.weight",
    "feed_forward.w1.weight": "mlp.gate_proj.weight",
    "feed_forward.w2.weight": "mlp.down_proj.weight",
    "feed_forward.w3.weight": "mlp.up_proj.weight",
    "ffn_norm.weight": "post_attention_layernorm.weight",
}
FUSED_NAME = "attention.wqkv.weight"
LAYERS = "model.layers."
DTYPES = (torch.bfloat16, torch.float16, torch.float32)
NAMES_SHOWN = 3


def read_tensors(files: Sequence[Path]) -> Iterator[tuple[str, Tensor]]:
    """Yield every tensor of the safetensors files by name; raise `BadModel` on a broken one."""
    for file in files:
        try:
            yield from _read_file(file)
        except (OSError, SafetensorError) as error:
            raise BadModel(f"{file}: cannot be read as safetensors: {error}") from None


def load_weights(model: Any, tensors: Iterable[tuple[str, Tensor]], shape: Shape) -> None:
    """Copy InternLM2's tensors into a Llama sequence classifier, strictly.

    An unknown name, a name that comes twice or not at all, another shape or a dtype that is no
    plain float: each raises `BadModel`.
    """
    missing = dict(model.named_parameters())
    with torch.no_grad():
        for name, tensor in tensors:
            for target, part in _as_llama(name, tensor, shape):
                _copy(missing.pop(target, None), part, name)
    if missing:
        shown = ", ".join(sorted(missing)[:NAMES_SHOWN])
        raise BadModel(f"the checkpoint lacks {len(missing)} weights (in Llama's names: {shown})")


def _read_file(file: Path) -> Iterator[tuple[str, Tensor]]:
    with safe_open(file, framework="pt", device="cpu") as tensors:
        for name in tensors.keys():  # noqa: SIM118 - the handle is no mapping
            yield name, tensors.get_tensor(name)


def _as_llama(name: str, tensor: Tensor, shape: Shape) -> Iterator[tuple[str, Tensor]]:
    if name in OUTER_NAMES:
        yield OUTER_NAMES[name], tensor
        return
    layer, _, inner = name.removeprefix(LAYERS).partition(".")
    if name.startswith(LAYERS) and layer.isdecimal():
        if inner in LAYER_NAMES:
            yield f"{LAYERS}{layer}.{LAYER_NAMES[inner]}", tensor
            return
        if inner == FUSED_NAME:
            for part, rows in zip("qkv", _unfuse(tensor, shape), strict=True):
                yield f"{LAYERS}{layer}.self_attn.{part}_proj.weight", rows
            return
    raise BadModel(f"the checkpoint has a weight that POLAR does not: {name}")


def _unfuse(fused: Tensor, shape: Shape) -> tuple[Tensor, Tensor, Tensor]:
    """Split `wqkv`, whose rows are grouped by key-value head: its queries, its key, its value."""
    queries = shape.heads // shape.kv_heads
    expected = (shape.kv_heads * (queries + 2) * shape.head_size, shape.hidden)
    if tuple(fused.shape) != expected:
        raise BadModel(f"{FUSED_NAME}: expected shape {expected}, got {tuple(fused.shape)}")
    grouped = fused.view(shape.kv_heads, queries + 2, shape.head_size, shape.hidden)
    query, key, value = grouped[:, :queries], grouped[:, -2], grouped[:, -1]
    return (
        query.reshape(-1, shape.hidden),
        key.reshape(-1, shape.hidden),
        value.reshape(-1, shape.hidden),
    )


def _copy(target: Tensor | None, source: Tensor, name: str) -> None:
    if target is None:
        raise BadModel(f"the checkpoint has a weight too many: {name}")
    if target.shape != source.shape:
        raise BadModel(f"{name}: expected shape {tuple(target.shape)}, got {tuple(source.shape)}")
    if source.dtype not in DTYPES:
        raise BadModel(f"{name}: expected 16- or 32-bit floats, got {source.dtype}")
    target.copy_(source)
