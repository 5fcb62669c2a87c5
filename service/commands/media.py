"""The images and videos that a line names or holds, and a mask model to look at them."""

import base64
import binascii
import tempfile
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Self

from msgspec.structs import replace

from rewards.sample import DEFAULT_FPS, Media, Sample
from service.engine.masks import MaskLane
from service.media.library import MediaLibrary

HIGHEST_FPS = 240.0


@dataclass(frozen=True, slots=True)
class MediaFiles:
    """The image, the video or the frames that an item is about: files, or content itself."""

    image: str | bytes | None = None
    video: str | bytes | None = None
    frames: tuple[str, ...] = ()
    fps: float = DEFAULT_FPS

    @classmethod
    def read(cls, value: Any) -> Self | None:
        """Read what a line says; None where it names content by hash, which is nowhere here.

        >>> MediaFiles.read({"video": "clip.mp4", "fps": 4})
        MediaFiles(image=None, video='clip.mp4', frames=(), fps=4.0)
        >>> MediaFiles.read({"image": {"base64": "UklGRg=="}}).image
        b'RIFF'
        """
        match value:
            case {"image": (str() | {"base64": str()}) as image}:
                return cls(image=_source(image))
            case {"video": (str() | {"base64": str()}) as video}:
                return cls(
                    video=_source(video), fps=_rate(value if isinstance(video, str) else video)
                )
            case {"frames": [*frames]} if all(isinstance(frame, str) for frame in frames):
                return cls(frames=tuple(frames), fps=_rate(value))
            case {"image": {"sha256": str()}} | {"video": {"sha256": str()} | {"frames": [*_]}}:
                return None
        raise ValueError(
            'expected {"image": file}, {"video": file, "fps": 2}, {"frames": [file]} '
            'or {"image": {"base64": text}}'
        )


@dataclass(frozen=True, slots=True)
class Eyes:
    """What looks at the media of lines, if anything does; files are relative to `folder`."""

    folder: Path
    library: MediaLibrary | None = None
    lane: MaskLane | None = None

    async def see(self, sample: Sample, files: MediaFiles | None) -> Sample:
        """Return the sample with its media taken in.

        Raises `OSError`, `BadMedia` or `TooLarge` for a file that cannot be used.
        """
        if self.library is None or files is None:
            return sample
        media = Media(
            image=await self._take(self.library, files.image) if files.image else None,
            video=await self._take(self.library, files.video) if files.video else None,
            frames=tuple([await self._take(self.library, file) for file in files.frames]),
            fps=files.fps,
        )
        return replace(sample, media=media)

    async def _take(self, library: MediaLibrary, source: str | bytes) -> str:
        content = source if isinstance(source, bytes) else (self.folder / source).read_bytes()
        return await library.put_inline(content)


@asynccontextmanager
async def open_eyes(
    folder: Path, sam2: Path | None, *, backend: str, device: str
) -> AsyncIterator[Eyes]:
    """Open SAM 2, if there is a checkpoint, and room for media that is gone afterwards."""
    if sam2 is None:
        yield Eyes(folder)
        return
    # What scores without images needs none of the libraries behind this.
    from service.looking import open_looking
    from service.settings import Settings
    from service.telemetry.metrics import Metrics

    with tempfile.TemporaryDirectory() as room:
        settings = Settings.read(
            {}, sam2=str(sam2), sam2_backend=backend, sam2_device=device, media_dir=room
        )
        async with open_looking(settings, Metrics(version="")) as looking:
            if looking is not None:
                yield Eyes(folder, looking.library, looking.lane)


def _source(value: str | dict[str, str]) -> str | bytes:
    if isinstance(value, str):
        return value
    try:
        return base64.b64decode(value["base64"], validate=True)
    except binascii.Error as error:
        raise ValueError(f"expected base64; {error}") from None


def _rate(options: dict[str, Any]) -> float:
    fps = options.get("fps", DEFAULT_FPS)
    if isinstance(fps, bool) or not isinstance(fps, int | float) or not 0 < fps <= HIGHEST_FPS:
        raise ValueError(f"expected fps above 0, at most {HIGHEST_FPS:g}; got {fps!r}")
    return float(fps)
