"""The media of a batch: decoded and brought in when its turn has come, before it is scored."""

import asyncio
import base64
import binascii
import hashlib
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field

from msgspec import structs

from rewards.errors import BadMedia
from rewards.sample import Media, Sample
from service.api.problems import AtFields, pointer
from service.api.schemas.base import FieldError
from service.api.schemas.media import ItemMedia, MediaReference, VideoReference
from service.container import Container
from service.engine.results import clean
from service.errors import InvalidRequest, TooLarge


@dataclass(frozen=True, slots=True)
class Inline:
    """Content that came along, and the item and the role in which it came first."""

    content: bytes
    item: int
    role: str


@dataclass(slots=True)
class MediaReader:
    """Reads what items say of their media, and gathers the content that came along, by hash."""

    inline_bytes: int
    inline: dict[str, Inline] = field(default_factory=dict)

    def read(self, item: int, given: ItemMedia | None) -> Media | None:
        """Return content hashes; raises `AtFields` for content that cannot be sent along."""
        if given is None or (given.image is None and given.video is None):
            return None
        image, video = given.image, given.video
        return Media(
            image=self._digest(image, item, "image") if image else None,
            video=self._digest(video, item, "video") if video and not video.frames else None,
            frames=tuple(video.frames or ()) if video else (),
            **({"fps": video.fps} if video else {}),
        )

    def _digest(self, reference: MediaReference | VideoReference, item: int, role: str) -> str:
        if reference.sha256 is not None:
            return reference.sha256
        with _at(item, role):
            content = self._content(reference.base64 or "")
        digest = hashlib.sha256(content).hexdigest()
        self.inline.setdefault(digest, Inline(content, item, role))
        return digest

    def _content(self, text: str) -> bytes:
        if len(text) > 4 * self.inline_bytes // 3 + 4:
            raise TooLarge(
                f"expected at most {self.inline_bytes} bytes of media within a request: "
                "upload it by PUT /media/{sha256}",
                inline_bytes=self.inline_bytes,
            )
        try:
            return base64.b64decode(text, validate=True)
        except binascii.Error:
            raise InvalidRequest("expected media in base64") from None


@contextmanager
def _at(item: int, role: str) -> Iterator[None]:
    try:
        yield
    except (BadMedia, InvalidRequest, TooLarge) as error:
        place = pointer("items", item, "media", role, "base64")
        raise AtFields(error, [FieldError(pointer=place, detail=clean(str(error)))]) from None


async def bring_media(
    samples: Sequence[Sample], given: Sequence[ItemMedia | None], parts: Container
) -> Sequence[Sample]:
    """Return the samples with the hashes of what they look at, all of which is here by then.

    Raises `MediaMissing` for what is not, and `AtFields` for content that came along and cannot
    be used.
    """
    reader = MediaReader(parts.limits.media.inline_bytes if parts.limits.media else 0)
    media = await asyncio.to_thread(lambda: [reader.read(*one) for one in enumerate(given)])
    if parts.media is not None:
        for sent in reader.inline.values():
            with _at(sent.item, sent.role):
                await parts.media.put_inline(sent.content)
        named = [digest for one in media if one for digest in one.digests()]
        await parts.media.require(digest for digest in named if digest not in reader.inline)
    return [
        structs.replace(sample, media=one) if one else sample
        for sample, one in zip(samples, media, strict=True)
    ]
