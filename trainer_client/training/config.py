"""Everything a training job can be told: a TOML file read into frozen records."""

import tomllib
import types
from collections.abc import Mapping
from dataclasses import MISSING, dataclass, field, fields, is_dataclass
from pathlib import Path
from typing import Any, Literal, Union, get_args, get_origin, get_type_hints

from trainer_client.training.errors import BadConfig

Estimator = Literal["ema_grpo", "grpo", "dr_grpo"]


def _require(condition: object, message: str) -> None:
    if not condition:
        raise BadConfig(message)


@dataclass(frozen=True, slots=True)
class ServiceConfig:
    """Where rewards come from, and how they become advantages.

    `keep` drops groups whose mean accuracy is not strictly between its two bounds before
    sigma is updated (DAPO); without it every group is kept.
    """

    url: str = "http://127.0.0.1:8080"
    spec: str = "onethinker-released"
    estimator: Estimator = "ema_grpo"
    keep: tuple[float, float] | None = None

    def __post_init__(self) -> None:
        if self.keep is not None:
            low, high = self.keep
            _require(0 <= low < high <= 1, f"keep: expected 0 <= low < high <= 1; got {self.keep}")


@dataclass(frozen=True, slots=True)
class DataConfig:
    """Which questions are asked, how many at a time, and under which instructions.

    Paths are relative to the working directory. `instructions` is the system message.
    """

    train: Path
    evaluation: Path | None = None
    instructions: str = ""
    prompts_per_step: int = 128
    shuffle: bool = True

    def __post_init__(self) -> None:
        _require(self.prompts_per_step >= 1, "prompts_per_step: expected at least 1")


@dataclass(frozen=True, slots=True)
class LoraConfig:
    """Train low-rank adapters instead of the weights; `layers` counts from the top, 0 is all."""

    rank: int = 16
    alpha: float = 32.0
    dropout: float = 0.0
    layers: int = 0
    targets: tuple[str, ...] = ("q_proj", "k_proj", "v_proj", "o_proj")

    def __post_init__(self) -> None:
        _require(self.rank >= 1, "lora.rank: expected at least 1")
        _require(0 <= self.dropout < 1, "lora.dropout: expected 0 <= dropout < 1")
        _require(self.layers >= 0, "lora.layers: expected 0 (all) or a number of layers")


@dataclass(frozen=True, slots=True)
class ModelConfig:
    """Which weights to start from: a folder, or whatever else `from_pretrained` takes.

    `device = "auto"` is the first CUDA device, else the CPU. With `bfloat16` the arithmetic is
    autocast; weights that are trained stay float32, for at these learning rates an update is
    smaller than bfloat16 can hold.
    """

    name: str
    family: Literal["text", "image_text"] = "text"
    dtype: Literal["float32", "bfloat16"] = "bfloat16"
    device: str = "auto"
    lora: LoraConfig | None = None


@dataclass(frozen=True, slots=True)
class SamplingConfig:
    """How rollouts are drawn; lengths in tokens.

    `prompts_at_once` bounds the memory of keys and values: that many groups are drawn together.
    """

    group_size: int = 8
    max_new_tokens: int = 4096
    temperature: float = 1.0
    prompts_at_once: int = 8

    def __post_init__(self) -> None:
        _require(
            self.group_size > 1, "group_size: expected at least 2; one response is its own mean"
        )
        _require(self.max_new_tokens >= 1, "max_new_tokens: expected at least 1")
        _require(self.prompts_at_once >= 1, "prompts_at_once: expected at least 1")
        _require(self.temperature > 0, "temperature: expected more than 0")


@dataclass(frozen=True, slots=True)
class ObjectiveConfig:
    """The objective (OneThinker, eq. 12) and how often a step's rollouts are used.

    A step makes `epochs` passes over its rollouts, each in `updates` optimiser steps; a
    forward pass holds `micro_batch` rollouts, which changes memory and never the gradient.
    """

    clip_low: float = 0.2
    clip_high: float = 0.2
    kl_weight: float = 0.01
    averaging: Literal["response", "token", "length"] = "response"
    epochs: int = 1
    updates: int = 1
    micro_batch: int = 8

    def __post_init__(self) -> None:
        _require(0 < self.clip_low < 1, "clip_low: expected 0 < clip_low < 1")
        _require(self.clip_high > 0, "clip_high: expected more than 0")
        _require(self.kl_weight >= 0, "kl_weight: expected 0 or more")
        for name in ("epochs", "updates", "micro_batch"):
            _require(getattr(self, name) >= 1, f"{name}: expected at least 1")


@dataclass(frozen=True, slots=True)
class OptimiserConfig:
    """AdamW, its schedule over optimiser steps, and the bound on the gradient's norm."""

    learning_rate: float = 2e-6
    weight_decay: float = 0.01
    betas: tuple[float, float] = (0.9, 0.999)
    max_grad_norm: float = 1.0
    warmup: int = 0
    schedule: Literal["constant", "linear", "cosine"] = "constant"

    def __post_init__(self) -> None:
        _require(self.learning_rate > 0, "learning_rate: expected more than 0")
        _require(self.max_grad_norm > 0, "max_grad_norm: expected more than 0")
        _require(self.warmup >= 0, "warmup: expected 0 or more")


@dataclass(frozen=True, slots=True)
class TrainingConfig:
    """One training job. `run` names it to the service; `output` holds all that it writes.

    `evaluate_every` and `save_every` count steps; 0 is never (a save at the end is always made).
    """

    run: str
    output: Path
    data: DataConfig
    model: ModelConfig
    steps: int = 100
    seed: int = 0
    evaluate_every: int = 0
    save_every: int = 0
    keep_checkpoints: int = 2
    service: ServiceConfig = field(default_factory=ServiceConfig)
    sampling: SamplingConfig = field(default_factory=SamplingConfig)
    objective: ObjectiveConfig = field(default_factory=ObjectiveConfig)
    optimiser: OptimiserConfig = field(default_factory=OptimiserConfig)

    def __post_init__(self) -> None:
        _require(self.run, "run: expected a name")
        _require(self.steps >= 1, "steps: expected at least 1")
        _require(self.keep_checkpoints >= 1, "keep_checkpoints: expected at least 1")
        _require(
            self.objective.updates <= self.data.prompts_per_step,
            "objective.updates: expected no more than data.prompts_per_step",
        )
        _require(
            not self.evaluate_every or self.data.evaluation,
            "evaluate_every: expected data.evaluation to name the questions",
        )


def load_config(path: Path) -> TrainingConfig:
    """Read a job's TOML file; raise `BadConfig` that names the key at fault."""
    try:
        values = tomllib.loads(path.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError, tomllib.TOMLDecodeError) as error:
        raise BadConfig(f"{path}: {error}") from None
    return read_config(values)


def read_config(values: Mapping[str, Any]) -> TrainingConfig:
    """Build a job from parsed TOML.

    >>> read_config({"run": "a", "output": "out", "stepz": 3})
    Traceback (most recent call last):
    ...
    trainer_client.training.errors.BadConfig: stepz: unknown key; known: run, output, data, \
model, steps, seed, evaluate_every, save_every, keep_checkpoints, service, sampling, \
objective, optimiser
    """
    job: TrainingConfig = _record(TrainingConfig, values, "")
    return job


def _record(cls: type[Any], values: Mapping[str, Any], where: str) -> Any:
    known = {each.name: each for each in fields(cls)}
    for key in values:
        _require(key in known, f"{where}{key}: unknown key; known: {', '.join(known)}")
    for name, each in known.items():
        optional = each.default is not MISSING or each.default_factory is not MISSING
        _require(optional or name in values, f"{where}{name}: missing")
    hints = get_type_hints(cls)
    return cls(**{key: _value(hints[key], values[key], where + key) for key in values})


def _value(hint: Any, value: Any, where: str) -> Any:
    if get_origin(hint) in (Union, types.UnionType):
        (hint,) = (each for each in get_args(hint) if each is not type(None))
    if is_dataclass(hint):
        _require(isinstance(value, Mapping), f"{where}: expected a table; got {value!r}")
        return _record(hint, value, f"{where}.")  # type: ignore[arg-type]  # a class, by is_dataclass of a hint
    if get_origin(hint) is Literal:
        allowed = ", ".join(map(repr, get_args(hint)))
        _require(value in get_args(hint), f"{where}: expected one of {allowed}; got {value!r}")
        return value
    if get_origin(hint) is tuple:
        return _tuple(get_args(hint), value, where)
    return _scalar(hint, value, where)


def _tuple(hints: tuple[Any, ...], value: Any, where: str) -> tuple[Any, ...]:
    _require(isinstance(value, list), f"{where}: expected a list; got {value!r}")
    if hints[-1] is Ellipsis:
        hints = (hints[0],) * len(value)
    _require(len(value) == len(hints), f"{where}: expected {len(hints)} values; got {value!r}")
    return tuple(_value(h, v, where) for h, v in zip(hints, value, strict=True))


def _scalar(hint: Any, value: Any, where: str) -> Any:
    if hint is Path:
        _require(isinstance(value, str), f"{where}: expected a path; got {value!r}")
        return Path(value).expanduser()
    if hint is float and type(value) is int:
        return float(value)
    _require(type(value) is hint, f"{where}: expected {hint.__name__}; got {value!r}")
    return value
