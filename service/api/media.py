"""The media of a batch: decoded and brought in when its turn has come, before it is scored."""

import asyncio
import base64
import binascii
import hashlib
from collections.abc import Sequence
from dataclasses import dataclass, field

from msgspec import structs

from rewards.sample import Media, Sample
from service.api.schemas.media import ItemMedia, MediaReference, VideoReference
from service.container import Container
from service.errors import InvalidRequest, TooLarge


@dataclass(slots=True)
class MediaReader:
    """Reads what items say of their media, and gathers the content that came along, by hash."""

    inline_bytes: int
    inline: dict[str, bytes] = field(default_factory=dict)

    def read(self, given: ItemMedia | None) -> Media | None:
        """Return content hashes; raises `InvalidRequest` or `TooLarge` for content sent along."""
        if given is None or (given.image is None and given.video is None):
            return None
        image, video = given.image, given.video
        return Media(
            image=self._digest(image) if image else None,
            video=self._digest(video) if video and not video.frames else None,
            frames=tuple(video.frames or ()) if video else (),
            **({"fps": video.fps} if video else {}),
        )

    def _digest(self, reference: MediaReference | VideoReference) -> str:
        if reference.sha256 is not None:
            return reference.sha256
        text = reference.base64 or ""
        if len(text) > 4 * self.inline_bytes // 3 + 4:
            raise TooLarge(
                f"expected at most {self.inline_bytes} bytes of media within a request: "
                "upload it by PUT /media/{sha256}",
                inline_bytes=self.inline_bytes,
            )
        try:
            content = base64.b64decode(text, validate=True)
        except binascii.Error:
            raise InvalidRequest("expected media in base64") from None
        digest = hashlib.sha256(content).hexdigest()
        self.inline[digest] = content
        return digest


async def bring_media(
    samples: Sequence[Sample], given: Sequence[ItemMedia | None], parts: Container
) -> Sequence[Sample]:
    """Return the samples with the hashes of what they look at, all of which is here by then.

    Raises `MediaMissing` for what is not, and whatever is wrong with content that came along.
    """
    if not any(given):
        return samples
    reader = MediaReader(parts.limits.media.inline_bytes if parts.limits.media else 0)
    media = await asyncio.to_thread(lambda: [reader.read(one) for one in given])
    if parts.media is not None:
        for content in reader.inline.values():
            await parts.media.put_inline(content)
        named = [digest for one in media if one for digest in one.digests()]
        await parts.media.require(digest for digest in named if digest not in reader.inline)
    return [
        structs.replace(sample, media=one) if one else sample
        for sample, one in zip(samples, media, strict=True)
    ]
