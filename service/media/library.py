"""Images and clips by content hash, ready for a mask model: described at once, decoded late."""

import asyncio
import hashlib
from collections import OrderedDict
from collections.abc import AsyncIterable, AsyncIterator, Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TypeVar
from weakref import WeakValueDictionary

import numpy as np

from rewards.errors import BadMedia
from rewards.ports import Clip, Picture, Pixels
from rewards.sample import Media
from service.errors import MediaMissing, Overloaded
from service.media.limits import Description
from service.media.pool import DecodePool, Frames
from service.media.store import MediaStore

Known = TypeVar("Known")

REMEMBERED = 65_536


@dataclass(frozen=True, slots=True)
class _Sampled:
    """What is remembered of a clip once it was sampled."""

    height: int
    width: int
    times_s: tuple[float, ...]


class MediaLibrary:
    """What callers uploaded, and what is known of it."""

    def __init__(self, store: MediaStore, decoders: DecodePool) -> None:
        self._store = store
        self._decoders = decoders
        self._described: OrderedDict[str, Description] = OrderedDict()
        self._sampled: OrderedDict[str, _Sampled] = OrderedDict()
        self._sampling: WeakValueDictionary[str, asyncio.Lock] = WeakValueDictionary()
        self._uploads = 0

    async def start(self) -> None:
        """Open the store."""
        await self._store.start()

    async def close(self) -> None:
        """End the decoders; what was uploaded stays."""
        await self._decoders.close()

    def usage(self) -> Mapping[str, float]:
        """Bytes on disk now, and decoding processes lost since the start."""
        return {"bytes": self._store.nbytes, "decoder_deaths": self._decoders.deaths}

    async def put(self, digest: str, chunks: AsyncIterable[bytes]) -> Description:
        """Take content in, if it is what its hash says and an image or video within the limits.

        Raises `InvalidRequest`, `TooLarge`, `BadMedia`, `Overloaded` or `Unavailable`.
        """
        with self._upload():
            async with self._store.receive(digest, chunks) as arrived:
                description = await self._decoders.describe(arrived.path)
                await self._store.keep(arrived)
        _remember(self._described, digest, description)
        return description

    async def put_inline(self, content: bytes) -> str:
        """Take content in that came within a request, and return its hash; raises as `put`."""
        digest = hashlib.sha256(content).hexdigest()
        if await self._store.missing([digest]):
            await self.put(digest, _whole(content))
        return digest

    async def missing(self, digests: Iterable[str]) -> list[str]:
        """Return the digests that are not here; the others now count as just used."""
        return await self._store.missing(digests)

    async def require(self, digests: Iterable[str]) -> None:
        """Raise `MediaMissing`, naming what is not here; the rest now counts as just used."""
        missing = await self.missing(digests)
        if missing:
            raise MediaMissing(
                f"{len(missing)} images or videos are not here: PUT each to /media/{{sha256}}, "
                "then send the request again",
                missing=missing,
            )

    def known(self, digest: str) -> Description | None:
        """Say what content is where that was asked before; looks at nothing."""
        return self._described.get(digest)

    async def describe(self, digest: str) -> Description:
        """Say what content is; raises `MediaMissing` when it is not here."""
        description = self._described.get(digest)
        if description is None:
            description = await self._decoders.describe(self._store.path(digest))
            _remember(self._described, digest, description)
        return description

    async def picture(self, digest: str) -> Picture:
        """Return an image whose pixels are decoded when first asked for; raises `BadMedia`."""
        described = await self.describe(digest)
        if described.kind != "image":
            raise BadMedia("expected an image; got a video")

        async def pixels() -> Pixels:
            only: Pixels = (await self._decoders.decode(self._store.path(digest))).pixels[0]
            return only

        return Picture(digest, described.height, described.width, pixels)

    async def clip(self, media: Media) -> Clip:
        """Return the sampled frames of a video, or the frames of a list; raises `BadMedia`."""
        return await (self._film(media) if media.video else self._reel(media))

    async def _film(self, media: Media) -> Clip:
        path, fps = self._store.path(media.video or ""), media.fps
        key = f"{media.video}@{fps!r}"

        async def decode() -> Frames:
            return await self._decoders.decode(path, fps=fps)

        async with self._sampling.setdefault(key, asyncio.Lock()):
            sampled, fresh = self._sampled.get(key), None
            if sampled is None:
                if (await self.describe(media.video or "")).kind != "video":
                    raise BadMedia("expected a video; got an image")
                fresh = await decode()
                _, height, width, _ = fresh.pixels.shape
                sampled = _Sampled(height, width, fresh.times_s)
                _remember(self._sampled, key, sampled)

        async def pixels() -> Pixels:
            return (fresh or await decode()).pixels

        return Clip(key, sampled.height, sampled.width, sampled.times_s, pixels)

    async def _reel(self, media: Media) -> Clip:
        pictures = [await self.picture(digest) for digest in media.frames]
        sizes = {(picture.height, picture.width) for picture in pictures}
        limits = self._decoders.limits
        if len(sizes) != 1:
            raise BadMedia(f"expected frames of one size; got {sorted(sizes)}")
        [(height, width)] = sizes
        most = min(limits.clip_frames, limits.clip_px // (height * width))
        if len(pictures) > most:
            raise BadMedia(
                f"expected at most {most} frames of {width}x{height}; got {len(pictures)}"
            )

        async def pixels() -> Pixels:
            return np.stack([await picture.pixels() for picture in pictures])

        named = hashlib.sha256(repr((media.frames, media.fps)).encode()).hexdigest()
        times_s = tuple(index / media.fps for index in range(len(pictures)))
        return Clip(named, height, width, times_s, pixels)

    @contextmanager
    def _upload(self) -> Iterator[None]:
        most = self._decoders.limits.uploads
        if self._uploads >= most:
            raise Overloaded(f"expected at most {most} uploads at once", full_of="uploads")
        self._uploads += 1
        try:
            yield
        finally:
            self._uploads -= 1


async def _whole(content: bytes) -> AsyncIterator[bytes]:
    yield content


def _remember(known: OrderedDict[str, Known], key: str, value: Known) -> None:
    known[key] = value
    known.move_to_end(key)
    if len(known) > REMEMBERED:
        known.popitem(last=False)
