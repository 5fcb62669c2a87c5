"""Everything a training job can be told, in frozen records that check themselves."""

from dataclasses import dataclass, field, fields
from pathlib import Path
from typing import Literal
from urllib.parse import urlsplit

from trainer_client.training.errors import BadConfig

Estimator = Literal["ema_grpo", "grpo", "dr_grpo"]


def require(condition: object, message: str) -> None:
    """Raise `BadConfig` with the message unless the condition holds."""
    if not condition:
        raise BadConfig(message)


@dataclass(frozen=True, slots=True)
class ServiceConfig:
    """Where rewards come from, and how they become advantages.

    `keep` = [low, high] drops groups whose mean accuracy is not strictly between the two before
    sigma is updated (DAPO); without it every group is kept.
    """

    url: str = "http://127.0.0.1:8080"
    spec: str = "onethinker-released"
    estimator: Estimator = "ema_grpo"
    keep: tuple[float, float] | None = None

    def __post_init__(self) -> None:
        if self.keep is not None:
            low, high = self.keep
            require(0 <= low < high <= 1, f"keep: expected 0 <= low < high <= 1; got {self.keep}")


@dataclass(frozen=True, slots=True)
class DataConfig:
    """Which questions are asked, how many at a time, and under which instructions.

    Paths are relative to the working directory. `instructions` is the system message; with
    `shuffle` each pass over the file has an order of its own.
    """

    train: Path
    evaluation: Path | None = None
    instructions: str = ""
    prompts_per_step: int = 128
    shuffle: bool = True

    def __post_init__(self) -> None:
        require(self.prompts_per_step >= 1, "prompts_per_step: expected at least 1")


@dataclass(frozen=True, slots=True)
class LoraConfig:
    """Train low-rank adapters instead of the weights; `layers` counts from the top, 0 is all."""

    rank: int = 16
    alpha: float = 32.0
    dropout: float = 0.0
    layers: int = 0
    targets: tuple[str, ...] = ("q_proj", "k_proj", "v_proj", "o_proj")

    def __post_init__(self) -> None:
        require(self.rank >= 1, "lora.rank: expected at least 1")
        require(0 <= self.dropout < 1, "lora.dropout: expected 0 <= dropout < 1")
        require(self.layers >= 0, "lora.layers: expected 0 (all) or a number of layers")


@dataclass(frozen=True, slots=True)
class VideoConfig:
    """How videos are looked at; what is not said is as in the model's own files.

    `max_pixels` bounds a whole clip: its sampled frames, times height, times width. A clip costs
    one token for every 2,048 of them.
    """

    fps: float | None = None
    min_frames: int | None = None
    max_frames: int | None = None
    max_pixels: int | None = None

    def __post_init__(self) -> None:
        for each in fields(self):
            value = getattr(self, each.name)
            require(value is None or value > 0, f"video.{each.name}: expected more than 0")


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
    video: VideoConfig = field(default_factory=VideoConfig)


@dataclass(frozen=True, slots=True)
class SamplingConfig:
    """How rollouts are drawn; lengths in tokens.

    `prompts_at_once` bounds the memory of keys and values: that many groups are drawn together.
    With `server`, the URL of a vLLM server, that one draws them (see `served`).
    """

    group_size: int = 8
    max_new_tokens: int = 4096
    temperature: float = 1.0
    prompts_at_once: int = 8
    server: str | None = None

    def __post_init__(self) -> None:
        require(
            self.group_size > 1, "group_size: expected at least 2; one response is its own mean"
        )
        require(self.max_new_tokens >= 1, "max_new_tokens: expected at least 1")
        require(self.prompts_at_once >= 1, "prompts_at_once: expected at least 1")
        require(self.temperature > 0, "temperature: expected more than 0")
        parts = urlsplit(self.server or "http://host")
        require(
            parts.scheme in ("http", "https") and parts.hostname,
            f"server: expected http://host[:port]; got {self.server!r}",
        )


@dataclass(frozen=True, slots=True)
class ObjectiveConfig:
    """The objective (OneThinker, eq. 12) and how often a step's rollouts are used.

    A step makes `epochs` passes over its rollouts, each in `updates` optimiser steps; a
    forward pass holds `micro_batch` rollouts, which changes memory and never the gradient.
    With `averaging` by response, each counts the same, by token, each token (DAPO); by length, a
    response's sum is divided by `max_new_tokens` (Dr. GRPO).
    """

    clip_low: float = 0.2
    clip_high: float = 0.2
    kl_weight: float = 0.01
    averaging: Literal["response", "token", "length"] = "response"
    epochs: int = 1
    updates: int = 1
    micro_batch: int = 8

    def __post_init__(self) -> None:
        require(0 < self.clip_low < 1, "clip_low: expected 0 < clip_low < 1")
        require(self.clip_high > 0, "clip_high: expected more than 0")
        require(self.kl_weight >= 0, "kl_weight: expected 0 or more")
        for name in ("epochs", "updates", "micro_batch"):
            require(getattr(self, name) >= 1, f"{name}: expected at least 1")


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
        require(self.learning_rate > 0, "learning_rate: expected more than 0")
        require(self.max_grad_norm > 0, "max_grad_norm: expected more than 0")
        require(self.warmup >= 0, "warmup: expected 0 or more")


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
        require(self.run, "run: expected a name")
        require(self.steps >= 1, "steps: expected at least 1")
        require(self.keep_checkpoints >= 1, "keep_checkpoints: expected at least 1")
        require(
            self.objective.updates <= self.data.prompts_per_step,
            "objective.updates: expected no more than data.prompts_per_step",
        )
        require(
            not self.evaluate_every or self.data.evaluation,
            "evaluate_every: expected data.evaluation to name the questions",
        )
        if self.sampling.server:
            require(self.model.lora, "sampling.server: expected model.lora, to be loaded there")
            require(self.model.family == "text", "sampling.server: expected model.family 'text'")
