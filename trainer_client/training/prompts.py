"""Questions as the model reads them: tokens, and the patches of their images."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from PIL import Image
from torch import Tensor
from torch.nn.utils.rnn import pad_sequence

from trainer_client.training.data import IMAGE_MARK, Question
from trainer_client.training.errors import BadQuestion


@dataclass(frozen=True, slots=True)
class Prompt:
    """One question, encoded up to where its response begins.

    `tokens` is (length,); `sees` marks those that stand for image patches. `pixels` is
    (patches, features) and `grid` (images, 3: frames, rows, columns of patches), as the Qwen
    family's vision tower takes them; both None without images.
    """

    tokens: Tensor
    sees: Tensor
    pixels: Tensor | None = None
    grid: Tensor | None = None


@dataclass(frozen=True, slots=True)
class Encoder:
    """What turns questions into prompts: a tokenizer and, for models with eyes, its images' twin.

    `image_token` is the id that the chat template leaves where an image goes. Encoding is our
    own for images because transformers' processors of this family need torchvision for their
    video half.
    """

    tokenizer: Any
    image_processor: Any = None
    image_token: int | None = None
    instructions: str = ""

    def encode(self, question: Question) -> Prompt:
        """Return the prompt of a question. Raises `BadQuestion` if its images have no place."""
        text = self.tokenizer.apply_chat_template(
            self._messages(question), tokenize=False, add_generation_prompt=True
        )
        tokens = self.tokenizer(text, add_special_tokens=False, return_tensors="pt").input_ids[0]
        if not question.images:
            return Prompt(tokens, torch.zeros_like(tokens, dtype=torch.bool))
        if self.image_processor is None:
            raise BadQuestion(f"question {question.id}: has images, but the model reads only text")
        pictures = [_open(path, question) for path in question.images]
        seen = self.image_processor(images=pictures, return_tensors="pt")
        tokens = self._make_room(tokens, seen.image_grid_thw, question)
        sees = tokens == self.image_token
        return Prompt(tokens, sees, seen.pixel_values, seen.image_grid_thw)

    def decode(self, tokens: Tensor) -> str:
        """Return the text of a response, without the token that ended it."""
        text: str = self.tokenizer.decode(tokens, skip_special_tokens=True)
        return text

    def save(self, folder: Path) -> None:
        """Write tokenizer and image processor beside a model's weights."""
        self.tokenizer.save_pretrained(folder)
        if self.image_processor is not None:
            self.image_processor.save_pretrained(folder)

    def _messages(self, question: Question) -> list[dict[str, Any]]:
        content: Any = question.prompt
        if question.images:
            content = []
            for index, text in enumerate(question.prompt.split(IMAGE_MARK)):
                content += [{"type": "image"}] if index else []
                content += [{"type": "text", "text": text}] if text else []
        system = [("system", self.instructions)] if self.instructions else []
        shown = [
            turn
            for ask, reply in question.examples
            for turn in (("user", ask), ("assistant", reply))
        ]
        turns = [*system, *shown, ("user", content)]
        return [{"role": role, "content": content} for role, content in turns]

    def _make_room(self, tokens: Tensor, grid: Tensor, question: Question) -> Tensor:
        # One token for each square of merged patches, where the template left a single one.
        repeats = torch.ones_like(tokens)
        marks = tokens == self.image_token
        if int(marks.sum()) != len(grid):
            raise BadQuestion(
                f"question {question.id}: expected {len(grid)} places for images; "
                f"the chat template left {int(marks.sum())}"
            )
        repeats[marks] = grid.prod(-1) // self.image_processor.merge_size**2
        return tokens.repeat_interleave(repeats)


def _open(path: Path, question: Question) -> Image.Image:
    try:
        with Image.open(path) as picture:
            return picture.convert("RGB")
    except (OSError, SyntaxError, ValueError, Image.DecompressionBombError) as error:
        raise BadQuestion(f"question {question.id}: {path}: {error}") from None


def collate(prompts: Sequence[Prompt], *, padding: int, device: torch.device) -> dict[str, Tensor]:
    """Return the model's keyword arguments for some prompts, padded on the left."""
    batch = {
        "input_ids": _pad_left([p.tokens for p in prompts], padding),
        "attention_mask": _pad_left([torch.ones_like(p.tokens) for p in prompts], 0),
    }
    if any(p.pixels is not None for p in prompts):
        batch["mm_token_type_ids"] = _pad_left([p.sees.int() for p in prompts], 0)
        batch["pixel_values"] = torch.cat([p.pixels for p in prompts if p.pixels is not None])
        batch["image_grid_thw"] = torch.cat([p.grid for p in prompts if p.grid is not None])
    return {name: value.to(device) for name, value in batch.items()}


def _pad_left(rows: list[Tensor], value: int) -> Tensor:
    return pad_sequence(rows, batch_first=True, padding_value=value, padding_side="left")
