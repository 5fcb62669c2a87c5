"""The policy: the model that learns, what encodes its questions, and what it started from."""

import copy
import warnings
from collections.abc import Iterator
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn
from transformers import (
    AutoImageProcessor,
    AutoModelForCausalLM,
    AutoModelForImageTextToText,
    AutoTokenizer,
)

from trainer_client.training.config import LoraConfig, ModelConfig
from trainer_client.training.errors import BadConfig
from trainer_client.training.eyes import Eyes, Marks
from trainer_client.training.prompts import Encoder
from trainer_client.training.videos import FAMILY, VideoReader

FAMILIES = {"text": AutoModelForCausalLM, "image_text": AutoModelForImageTextToText}
DTYPES = {"float32": torch.float32, "bfloat16": torch.bfloat16}


@dataclass(frozen=True, slots=True)
class Policy:
    """A model that learns. `frozen` is its copy from before; None where adapters can be lifted."""

    model: Any
    frozen: Any
    encoder: Encoder
    device: torch.device
    dtype: torch.dtype

    @property
    def trainable(self) -> dict[str, nn.Parameter]:
        """The parameters that learn, by name."""
        return {name: p for name, p in self.model.named_parameters() if p.requires_grad}

    @property
    def padding(self) -> int:
        """The token that fills short rows; it is masked wherever it stands."""
        tokenizer = self.encoder.tokenizer
        return int(
            tokenizer.eos_token_id if tokenizer.pad_token_id is None else tokenizer.pad_token_id
        )

    @property
    def stops(self) -> Tensor:
        """The tokens that end a response."""
        stop = self.model.generation_config.eos_token_id
        stop = self.encoder.tokenizer.eos_token_id if stop is None else stop
        return torch.tensor(stop, device=self.device).reshape(-1)

    def precision(self) -> Any:
        """Return the context in which the model computes."""
        if self.dtype == torch.float32:
            return nullcontext()
        return torch.autocast(self.device.type, dtype=self.dtype)

    @contextmanager
    def reference(self) -> Iterator[Any]:
        """Lend the model as it was before training."""
        if self.frozen is not None:
            yield self.frozen
        else:
            with self.model.disable_adapter():
                yield self.model


def load_policy(
    config: ModelConfig, *, instructions: str = "", with_reference: bool = True
) -> Policy:
    """Load weights, tokenizer and, for `image_text`, what prepares images and videos.

    The chat template must know images as Qwen's do. Code from the checkpoint is never run.
    Raises `BadConfig` if the model is not there or not of the family.
    """
    device = torch.device(_device(config.device))
    dtype = DTYPES[config.dtype]
    held = dtype if config.lora else torch.float32
    with _opening(config):
        model = FAMILIES[config.family].from_pretrained(
            config.name, dtype=held, trust_remote_code=False
        )
        tokenizer = AutoTokenizer.from_pretrained(config.name, trust_remote_code=False)
        encoder = Encoder(tokenizer, _eyes(config, model, tokenizer), instructions)
    if config.lora:
        model = _with_adapters(model, config.lora)
    frozen = None
    if with_reference and not config.lora:
        frozen = copy.deepcopy(model).requires_grad_(False).eval().to(device)
    return Policy(model.to(device), frozen, encoder, device, dtype)


@contextmanager
def _opening(config: ModelConfig) -> Iterator[None]:
    try:
        yield
    except (OSError, ValueError) as error:
        # The rest is advice on `from_pretrained`, over many lines.
        (why, *_) = str(error).strip().splitlines() or [type(error).__name__]
        raise BadConfig(
            f"model.name: {config.name!r} cannot be opened as family {config.family!r}: {why}"
        ) from error


def _device(name: str) -> str:
    if name != "auto":
        return name
    return "cuda" if torch.cuda.is_available() else "cpu"


def _eyes(config: ModelConfig, model: Any, tokenizer: Any) -> Eyes | None:
    if config.family == "text":
        return None
    names = ("image", "video", "vision_start", "vision_end")
    ids = (getattr(model.config, f"{name}_token_id", None) for name in names)
    return Eyes(
        images=AutoImageProcessor.from_pretrained(config.name, trust_remote_code=False),
        videos=VideoReader.of(config.name, config.video)
        if model.config.model_type in FAMILY
        else None,
        marks=Marks(*("" if i is None else tokenizer.convert_ids_to_tokens(i) for i in ids)),
    )


def _with_adapters(model: Any, lora: LoraConfig) -> Any:
    from peft import LoraConfig as PeftConfig
    from peft import get_peft_model

    depth = model.config.get_text_config().num_hidden_layers
    layers = list(range(depth - lora.layers, depth)) if lora.layers else None
    settings = PeftConfig(
        r=lora.rank,
        lora_alpha=lora.alpha,
        lora_dropout=lora.dropout,
        target_modules=list(lora.targets),
        layers_to_transform=layers,
    )
    with warnings.catch_warnings():
        # peft 0.21 asks the model for an attribute that transformers 5.23 has renamed.
        warnings.simplefilter("ignore", FutureWarning)
        return get_peft_model(model, settings)
