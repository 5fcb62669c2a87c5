"""A POLAR checkpoint folder, read as data and checked before any weight is loaded."""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Self

from rewards.errors import BadModel
from rewards.text.polar_prompt import TRAJECTORY_SHARE

ARCHITECTURE = "InternLM2ForRewardModel"
MODEL_TYPE = "internlm2"
WEIGHTS_INDEX = "model.safetensors.index.json"
FEWEST_POSITIONS = 16 * TRAJECTORY_SHARE


@dataclass(frozen=True, slots=True)
class Shape:
    """The sizes of an InternLM2 reward model.

    Rotary positions are plain: the dynamic scaling that InternLM2 checkpoints name acts only
    beyond `positions`, and no input is let grow that long.
    """

    vocabulary: int
    hidden: int
    intermediate: int
    layers: int
    heads: int
    kv_heads: int
    positions: int
    rope_theta: float
    norm_epsilon: float
    reward_token: int

    @property
    def head_size(self) -> int:
        """Numbers in one attention head."""
        return self.hidden // self.heads

    @classmethod
    def read(cls, config: Mapping[str, Any]) -> Self:
        """Read a `config.json`; raise `BadModel` where it is not a POLAR model."""
        _expect(config, "model_type", MODEL_TYPE)
        _expect(config, "hidden_act", "silu")
        if ARCHITECTURE not in (config.get("architectures") or ()):
            raise BadModel(
                f"config.json: expected {ARCHITECTURE} among architectures,"
                f" got {config.get('architectures')!r}"
            )
        if config.get("quantization_config") is not None:
            raise BadModel("config.json: quantised weights are not read; expected plain ones")
        _check_rope(config.get("rope_scaling"))
        return cls(
            vocabulary=_positive(config, "vocab_size"),
            hidden=_positive(config, "hidden_size"),
            intermediate=_positive(config, "intermediate_size"),
            layers=_positive(config, "num_hidden_layers"),
            heads=_positive(config, "num_attention_heads"),
            kv_heads=_positive(config, "num_key_value_heads"),
            positions=_positive(config, "max_position_embeddings"),
            rope_theta=float(_positive(config, "rope_theta", int | float)),
            norm_epsilon=float(_positive(config, "rms_norm_eps", int | float)),
            reward_token=_positive(config, "reward_token_id"),
        )

    def __post_init__(self) -> None:
        if self.hidden % self.heads or self.heads % self.kv_heads or self.head_size % 2:
            raise BadModel(
                f"config.json: {self.hidden} hidden, {self.heads} heads and"
                f" {self.kv_heads} key-value heads do not divide"
            )
        if self.reward_token >= self.vocabulary:
            raise BadModel(
                f"config.json: reward_token_id {self.reward_token} is outside the vocabulary"
                f" of {self.vocabulary}"
            )
        if self.positions < FEWEST_POSITIONS:
            raise BadModel(
                f"config.json: expected at least {FEWEST_POSITIONS} max_position_embeddings,"
                f" got {self.positions}"
            )


@dataclass(frozen=True, slots=True)
class Checkpoint:
    """A folder whose `config.json` is POLAR's, and its `*.safetensors` files."""

    folder: Path
    shape: Shape
    weights: tuple[Path, ...]

    @classmethod
    def read(cls, folder: Path) -> Self:
        """Look at the folder without loading weights; raise `BadModel` saying what is amiss."""
        if not folder.is_dir():
            raise BadModel(f"{folder}: no such folder")
        return cls(folder, Shape.read(read_json(folder / "config.json")), _find_weights(folder))


def read_json(path: Path) -> dict[str, Any]:
    """Read a JSON object; raise `BadModel` where there is none."""
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise BadModel(f"{path}: {error.strerror}") from None
    except (ValueError, RecursionError) as error:
        raise BadModel(f"{path}: expected JSON: {error}") from None
    if not isinstance(content, dict):
        raise BadModel(f"{path}: expected a JSON object, got {type(content).__name__}")
    return content


def _find_weights(folder: Path) -> tuple[Path, ...]:
    index = folder / WEIGHTS_INDEX
    if not index.exists():
        found = tuple(sorted(folder.glob("*.safetensors")))
        if not found:
            raise BadModel(f"{folder}: expected *.safetensors; no other kind of weights is read")
        return found
    names = read_json(index).get("weight_map")
    if not isinstance(names, dict) or not all(isinstance(name, str) for name in names.values()):
        raise BadModel(f"{index}: expected a weight_map from weights to file names")
    files = tuple(folder / name for name in sorted(set(names.values())))
    for file in files:
        if file.parent != folder or file.suffix != ".safetensors" or not file.is_file():
            raise BadModel(f"{index}: expected *.safetensors files beside it, got {file.name!r}")
    return files


def _expect(config: Mapping[str, Any], key: str, wanted: str) -> None:
    if config.get(key) != wanted:
        raise BadModel(f"config.json: expected {key} {wanted!r}, got {config.get(key)!r}")


def _positive(config: Mapping[str, Any], key: str, kind: Any = int) -> Any:
    value = config.get(key)
    if isinstance(value, bool) or not isinstance(value, kind) or not value > 0:
        raise BadModel(f"config.json: expected a positive number for {key}, got {value!r}")
    return value


def _check_rope(scaling: Any) -> None:
    if scaling is None:
        return
    kind = (scaling.get("type") or scaling.get("rope_type")) if isinstance(scaling, dict) else None
    if kind not in ("dynamic", "default"):
        raise BadModel(f"config.json: expected no rope_scaling or a dynamic one, got {scaling!r}")
