"""Questions as the model reads them: tokens, and the patches of their images and videos."""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor
from torch.nn.utils.rnn import pad_sequence

from trainer_client.training.data import IMAGE_MARK, VIDEO_MARK, Question
from trainer_client.training.errors import BadQuestion
from trainer_client.training.eyes import Eyes, Seen

MARKS = re.compile(f"({IMAGE_MARK}|{VIDEO_MARK})")
PARTS = {IMAGE_MARK: "image", VIDEO_MARK: "video"}


@dataclass(frozen=True, slots=True)
class Prompt:
    """One question, encoded up to where its response begins.

    `tokens` is (length,); `sees` is 1 for those that stand for patches of an image, 2 for those
    of a video, else 0.
    """

    tokens: Tensor
    sees: Tensor
    images: Seen | None = None
    videos: Seen | None = None


@dataclass(frozen=True, slots=True)
class Encoder:
    """What turns questions into prompts: a tokenizer and, for models that see, its eyes."""

    tokenizer: Any
    eyes: Eyes | None = None
    instructions: str = ""

    def encode(self, question: Question) -> Prompt:
        """Return the prompt of a question. Raises `BadQuestion` if what it shows has no place."""
        text = self.tokenizer.apply_chat_template(
            self._messages(question), tokenize=False, add_generation_prompt=True
        )
        if self.eyes is None:
            if question.images or question.videos:
                raise BadQuestion(
                    f"question {question.id}: has images or videos, but the model reads only text"
                )
            tokens = self._tokens(text)
            return Prompt(tokens, torch.zeros_like(tokens))
        images, videos = self.eyes.look_at_images(question), self.eyes.look_at_videos(question)
        tokens = self._tokens(self.eyes.make_room(text, images, videos, question))
        sees = torch.zeros_like(tokens)
        for mark, number in ((self.eyes.marks.image, 1), (self.eyes.marks.video, 2)):
            if mark:
                sees[tokens == self.tokenizer.convert_tokens_to_ids(mark)] = number
        return Prompt(tokens, sees, images, videos)

    def decode(self, tokens: Tensor) -> str:
        """Return the text of a response, without the token that ended it."""
        text: str = self.tokenizer.decode(tokens, skip_special_tokens=True)
        return text

    def save(self, folder: Path) -> None:
        """Write tokenizer and processors beside a model's weights."""
        self.tokenizer.save_pretrained(folder)
        if self.eyes is not None:
            self.eyes.save(folder)

    def _tokens(self, text: str) -> Tensor:
        tokens: Tensor = self.tokenizer(
            text, add_special_tokens=False, return_tensors="pt"
        ).input_ids[0]
        return tokens

    def _messages(self, question: Question) -> list[dict[str, Any]]:
        content: Any = question.prompt
        if question.images or question.videos:
            content = [
                {"type": PARTS[piece]} if piece in PARTS else {"type": "text", "text": piece}
                for piece in MARKS.split(question.prompt)
                if piece
            ]
        system = [("system", self.instructions)] if self.instructions else []
        shown = [
            turn
            for ask, reply in question.examples
            for turn in (("user", ask), ("assistant", reply))
        ]
        turns = [*system, *shown, ("user", content)]
        return [{"role": role, "content": content} for role, content in turns]


def collate(prompts: Sequence[Prompt], *, padding: int, device: torch.device) -> dict[str, Tensor]:
    """Return the model's keyword arguments for some prompts, padded on the left."""
    batch = {
        "input_ids": _pad_left([p.tokens for p in prompts], padding),
        "attention_mask": _pad_left([torch.ones_like(p.tokens) for p in prompts], 0),
    }
    images = [p.images for p in prompts if p.images is not None]
    videos = [p.videos for p in prompts if p.videos is not None]
    if images or videos:
        batch["mm_token_type_ids"] = _pad_left([p.sees for p in prompts], 0)
    if images:
        batch["pixel_values"] = torch.cat([seen.pixels for seen in images])
        batch["image_grid_thw"] = torch.cat([seen.grid for seen in images])
    if videos:
        batch["pixel_values_videos"] = torch.cat([seen.pixels for seen in videos])
        batch["video_grid_thw"] = torch.cat([seen.grid for seen in videos])
    return {name: value.to(device) for name, value in batch.items()}


def _pad_left(rows: list[Tensor], value: int) -> Tensor:
    return pad_sequence(rows, batch_first=True, padding_value=value, padding_side="left")
