"""What an item is about: an image or a video, named by its content."""

import hashlib
import os
from base64 import b64decode
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from trainer_client.errors import BadCall

Content = bytes | str | os.PathLike[str]
"""The bytes of a file, or its path."""


@dataclass(frozen=True, slots=True)
class Media:
    """An image or a video by content hash, with its bytes at hand if they may be uploaded.

    A video may instead be its `frames`, images in the order of time, at `fps` a second; `fps`
    of a video that is one file says how often a second it is looked at.
    """

    sha256: str | None = None
    source: bytes | Path | None = field(default=None, repr=False)
    frames: "tuple[Media, ...]" = ()
    fps: float | None = None

    @classmethod
    def of(cls, given: "Media | Mapping[str, Any] | Sequence[Any] | Content") -> "Media":
        """Read bytes, the path of a file, a list of frames, or a reference as on the wire.

        >>> Media.of(b"pixels").reference()["sha256"][:12]
        '6ec9c2b0eb14'
        >>> len(Media.of({"frames": [b"one", b"two"], "fps": 2.0}).reference()["frames"])
        2
        """
        if isinstance(given, Media):
            return given
        if isinstance(given, Mapping):
            return cls._read(given)
        if isinstance(given, bytes | str | os.PathLike):
            source = given if isinstance(given, bytes) else Path(given)
            return cls(hashlib.sha256(_bytes(source)).hexdigest(), source)
        return cls(frames=tuple(map(cls.of, given)))

    @classmethod
    def _read(cls, given: Mapping[str, Any]) -> "Media":
        fps = given.get("fps")
        match given:
            case {"frames": frames}:
                return cls(frames=tuple(map(cls.of, frames)), fps=fps)
            case {"sha256": sha256}:
                return cls(sha256, fps=fps)
            case {"base64": text}:
                return replace(cls.of(b64decode(text)), fps=fps)
        raise BadCall(f"media: expected sha256, frames or base64; got {', '.join(given)}")

    def reference(self) -> dict[str, Any]:
        """Return what an item says of it on the wire."""
        named = (
            {"frames": [f.sha256 for f in self.frames]} if self.frames else {"sha256": self.sha256}
        )
        return named if self.fps is None else named | {"fps": self.fps}

    def files(self) -> "Iterator[tuple[str, Media]]":
        """Give each file under its hash."""
        for one in self.frames or (self,):
            if one.sha256 is not None:
                yield one.sha256, one

    def read(self) -> bytes | None:
        """Return the bytes, or `None` where only the hash is known."""
        return None if self.source is None else _bytes(self.source)


def _bytes(source: bytes | Path) -> bytes:
    return source if isinstance(source, bytes) else source.read_bytes()
