"""What a model sees of a question: patches of its images and videos, and the room they take."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

import torch
from PIL import Image
from torch import Tensor

from trainer_client.training.data import Question
from trainer_client.training.errors import BadQuestion
from trainer_client.training.videos import Clip, VideoReader

T = TypeVar("T")

UNREADABLE = (OSError, SyntaxError, ValueError, Image.DecompressionBombError)


@dataclass(frozen=True, slots=True)
class Marks:
    """The tokens, as text, that stand for one patch and that open and close a picture.

    Each is empty where a model has none.
    """

    image: str
    video: str
    start: str
    end: str


@dataclass(frozen=True, slots=True)
class Seen:
    """The patches of one kind of media, images or videos.

    `pixels` is (patches, features) and `grid` (media, 3: frames, rows, columns of patches), as
    the Qwen family's vision tower takes them. `rooms` is the text that makes room for each.
    """

    pixels: Tensor
    grid: Tensor
    rooms: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Eyes:
    """What prepares images and, for Qwen3-VL's family, videos, and the marks they stand for.

    It is our own because transformers' processors of this family need torchvision for their
    video half.
    """

    images: Any
    videos: VideoReader | None
    marks: Marks

    def look_at_images(self, question: Question) -> Seen | None:
        """Return a question's images; one token for each square of merged patches."""
        if not question.images:
            return None
        pictures = [_read(_open, path, question) for path in question.images]
        seen = self.images(images=pictures, return_tensors="pt")
        counts = (seen.image_grid_thw.prod(-1) // self.images.merge_size**2).tolist()
        rooms = tuple(self.marks.image * count for count in counts)
        return Seen(seen.pixel_values, seen.image_grid_thw, rooms)

    def look_at_videos(self, question: Question) -> Seen | None:
        """Return a question's videos; the time and then the tokens of each pair of frames."""
        if not question.videos:
            return None
        if self.videos is None:
            raise BadQuestion(
                f"question {question.id}: has videos, but the model reads only images"
            )
        clips = [_read(self.videos.read, path, question) for path in question.videos]
        return Seen(
            torch.cat([clip.pixels for clip in clips]),
            torch.stack([clip.grid for clip in clips]),
            tuple(map(self.spell, clips)),
        )

    def spell(self, clip: Clip) -> str:
        """Return the text that makes room for a clip, as transformers' processor writes it.

        The marks that the chat template puts around the whole clip stay, as they do there in
        5.23; version 4.57 replaced them too, and vLLM's own processor may still.
        """
        marks = self.marks
        merged = self.videos.merge_size**2 if self.videos else 1
        count = int(clip.grid[1:].prod()) // merged
        return "".join(
            f"<{time_s:.1f} seconds>{marks.start}{marks.video * count}{marks.end}"
            for time_s in clip.times_s
        )

    def make_room(
        self, text: str, images: Seen | None, videos: Seen | None, question: Question
    ) -> str:
        """Return a prompt's text with the room that each image and video takes."""
        for mark, seen in ((self.marks.image, images), (self.marks.video, videos)):
            if not mark:
                continue
            rooms = seen.rooms if seen else ()
            pieces = text.split(mark)
            if len(pieces) != len(rooms) + 1:
                raise BadQuestion(
                    f"question {question.id}: expected {len(rooms)} places for {mark}; "
                    f"the chat template left {len(pieces) - 1}"
                )
            text = "".join(piece + room for piece, room in zip(pieces, (*rooms, ""), strict=True))
        return text

    def save(self, folder: Path) -> None:
        """Write what it was made from beside a model's weights."""
        self.images.save_pretrained(folder)
        if self.videos is not None:
            self.videos.save(folder)


def _read(read: Callable[[Path], T], path: Path, question: Question) -> T:
    try:
        return read(path)
    except UNREADABLE as error:
        raise BadQuestion(f"question {question.id}: {path}: {error}") from None


def _open(path: Path) -> Image.Image:
    with Image.open(path) as picture:
        return picture.convert("RGB")
