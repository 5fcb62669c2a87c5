"""Videos as Qwen3-VL's family reads them: sampled frames cut into patches, and their times.

Its own processor needs torchvision. This gives what that one gives, to the rounding of the
resizing: the same frames, size, patches and text. Rotation tags are not obeyed, and times count
frames at the average rate.
"""

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, fields, replace
from itertools import islice
from pathlib import Path
from typing import Any

import numpy as np
import torch
from PIL import Image
from torch import Tensor
from transformers.utils import cached_file

from trainer_client.training.config import VideoConfig

OWN, SHARED = "video_preprocessor_config.json", "processor_config.json"
WHOLE_SHARE = 0.95
FAMILY = ("qwen3_vl", "qwen3_vl_moe")


@dataclass(frozen=True, slots=True)
class Clip:
    """A video as the vision tower takes it.

    `pixels` is (patches, features), `grid` (3: pairs of frames, rows, columns of patches);
    `times_s` tells when each pair of frames is seen.
    """

    pixels: Tensor
    grid: Tensor
    times_s: tuple[float, ...]


@dataclass(frozen=True, slots=True)
class VideoReader:
    """How a model's videos are sampled, resized and cut; pixels are counted over all frames.

    `document` is what the checkpoint says of it; the defaults are those of its processor.
    """

    document: Mapping[str, Any] = field(default_factory=dict, repr=False)
    fps: float = 2.0
    min_frames: int = 4
    max_frames: int = 768
    min_pixels: int = 128 * 32 * 32
    max_pixels: int = 768 * 32 * 32
    patch_size: int = 16
    temporal_patch_size: int = 2
    merge_size: int = 2
    image_mean: tuple[float, ...] = (0.5, 0.5, 0.5)
    image_std: tuple[float, ...] = (0.5, 0.5, 0.5)

    @classmethod
    def of(cls, model: str, config: VideoConfig) -> "VideoReader":
        """Read the settings of a checkpoint; what the job says goes first."""
        document = _document(model)
        size = document.get("size") or {}
        said = {
            **document,
            "min_pixels": size.get("shortest_edge"),
            "max_pixels": size.get("longest_edge"),
        }
        read = cls(document)
        for source in (said, {each.name: getattr(config, each.name) for each in fields(config)}):
            known = {each.name: source.get(each.name) for each in fields(cls)[1:]}
            read = replace(read, **{name: v for name, v in known.items() if v is not None})
        return read

    def save(self, folder: Path) -> None:
        """Write what the checkpoint says of videos beside its weights."""
        (folder / OWN).write_text(json.dumps(dict(self.document), indent=2), encoding="utf-8")

    def read(self, path: Path) -> Clip:
        """Decode a video, sample it and cut it up. Raises `OSError` or `ValueError`."""
        import av

        try:
            total, rate = _measure(path)
            chosen = self.choose(total, rate)
            frames = [self._resize(frame, len(chosen)) for frame in _decode(path, chosen)]
        except av.FFmpegError as error:
            raise ValueError(f"expected a whole video; {error}") from None
        pixels, grid = self.cut(torch.stack(frames))
        return Clip(pixels, grid, self.times_s(chosen, rate))

    def choose(self, total: int, rate: float) -> list[int]:
        """Return which of `total` frames at `rate` a second are looked at, evenly spaced."""
        wanted = min(max(int(total / rate * self.fps), self.min_frames), self.max_frames, total)
        chosen: list[int] = np.linspace(0, total - 1, wanted).round().astype(int).tolist()
        return chosen

    def times_s(self, chosen: list[int], rate: float) -> tuple[float, ...]:
        """Return the middle of each pair of frames; the last frame may stand twice."""
        size = self.temporal_patch_size
        padded = chosen + chosen[-1:] * (-len(chosen) % size)
        return tuple(
            (padded[start] / rate + padded[start + size - 1] / rate) / 2
            for start in range(0, len(padded), size)
        )

    def cut(self, frames: Tensor) -> tuple[Tensor, Tensor]:
        """Cut frames (frames, 3, height, width) into patches in the order of the vision tower."""
        size, merge, depth = self.patch_size, self.merge_size, self.temporal_patch_size
        frames = torch.cat([frames, frames[-1:].expand(-len(frames) % depth, -1, -1, -1)])
        times, rows, columns = (
            len(frames) // depth,
            frames.shape[2] // size,
            frames.shape[3] // size,
        )
        split = frames.view(
            times, depth, 3, rows // merge, merge, size, columns // merge, merge, size
        )
        # Squares of patches that are merged into one token stand together.
        patches = split.permute(0, 3, 6, 4, 7, 2, 1, 5, 8)
        return patches.reshape(times * rows * columns, -1), torch.tensor([times, rows, columns])

    def _resize(self, frame: Image.Image, count: int) -> Tensor:
        # Its module is no part of transformers' interface: only who reads videos needs it.
        from transformers.models.qwen3_vl.video_processing_qwen3_vl import smart_resize

        height, width = smart_resize(
            num_frames=count,
            height=frame.height,
            width=frame.width,
            temporal_factor=self.temporal_patch_size,
            factor=self.patch_size * self.merge_size,
            min_pixels=self.min_pixels,
            max_pixels=self.max_pixels,
        )
        resized = np.asarray(frame.resize((width, height), Image.Resampling.BICUBIC), np.float32)
        mean, std = (np.asarray(each, np.float32) for each in (self.image_mean, self.image_std))
        return torch.from_numpy((resized / 255 - mean) / std).permute(2, 0, 1)


def _document(model: str) -> Mapping[str, Any]:
    for name in (SHARED, OWN):
        path = cached_file(model, name, _raise_exceptions_for_missing_entries=False)
        if path is not None:
            document: dict[str, Any] = json.loads(Path(path).read_text(encoding="utf-8"))
            found = document if name == OWN else document.get("video_processor")
            if found:
                return found
    return {}


def _measure(path: Path) -> tuple[int, float]:
    """Return a video's frames, by its packets where its header is silent, and their rate."""
    import av

    with av.open(path) as opened:
        if not opened.streams.video:
            raise ValueError("expected a video; got a file without pictures")
        stream = opened.streams.video[0]
        total = stream.frames or sum(packet.size > 0 for packet in opened.demux(stream))
        if not total or not stream.average_rate:
            raise ValueError("expected a video with frames and a rate")
        return total, float(stream.average_rate)


def _decode(path: Path, chosen: list[int]) -> Iterator[Image.Image]:
    import av

    wanted, declared = set(chosen), chosen[-1] + 1
    seen, frame = 0, None
    with av.open(path) as opened:
        for seen, frame in enumerate(islice(opened.decode(video=0), declared), start=1):
            if seen - 1 in wanted:
                yield frame.to_image()
    if frame is None or seen < WHOLE_SHARE * declared:
        raise ValueError(f"expected {declared} frames; it breaks off after {seen}")
    # Headers of whole videos often count a few frames that are never shown.
    yield from [frame.to_image()] * sum(index >= seen for index in chosen)
