"""Tests for `service.media.library`."""

import asyncio
import hashlib
from contextlib import asynccontextmanager

import numpy as np
import pytest
from skimage import data

from rewards.errors import BadMedia
from rewards.sample import Media
from service.errors import InvalidRequest, MediaMissing, Overloaded, TooLarge
from service.media.library import MediaLibrary
from service.media.limits import MediaLimits
from service.media.pool import DecodePool
from service.media.store import MediaStore
from tests.real_media import coins, encoded, png_that_declares, ramp, video

FILM = video(ramp(20))


class Counting(DecodePool):
    """A pool that tells at which rates it decoded."""

    def __init__(self, limits):
        super().__init__(limits, workers=1)
        self.rates = []

    async def decode(self, path, *, fps=None):
        """Note the rate, and decode."""
        self.rates.append(fps)
        return await super().decode(path, fps=fps)


@asynccontextmanager
async def opened(folder, pool=None, **limits):
    """Return a library with one decoding process."""
    pool = pool or DecodePool(MediaLimits(**limits), workers=1)
    library = MediaLibrary(MediaStore(folder, max_bytes=10**7, max_file_bytes=10**7), pool)
    await library.start()
    try:
        yield library
    finally:
        await library.close()


async def whole(content):
    """Send content in one piece."""
    yield content


async def put(library, content):
    """Upload content as a client does."""
    digest = hashlib.sha256(content).hexdigest()
    await library.put(digest, whole(content))
    return digest


def files(folder):
    """Return how many files are below a folder."""
    return sum(path.is_file() for path in folder.rglob("*"))


def test_an_uploaded_picture_can_be_looked_at(tmp_path):
    """Its size is known at once, and its pixels when they are asked for."""

    async def main():
        async with opened(tmp_path) as library:
            digest = await put(library, encoded(data.astronaut()))
            picture = await library.picture(digest)
            assert (picture.digest, picture.height, picture.width) == (digest, 512, 512)
            assert np.array_equal(await picture.pixels(), data.astronaut())

    asyncio.run(main())


def test_an_uploaded_video_is_sampled_at_the_stated_rate(tmp_path):
    """One video is one clip for each rate."""

    async def main():
        async with opened(tmp_path) as library:
            digest = await put(library, FILM)
            clip = await library.clip(Media(video=digest, fps=2.0))
            assert clip.times_s == pytest.approx((0, 0.5, 1.0, 1.5))
            assert (await clip.pixels()).shape == (4, clip.height, clip.width, 3)
            other = await library.clip(Media(video=digest, fps=5.0))
            assert len(other.times_s) == 10
            assert other.digest != clip.digest
            again = await library.clip(Media(video=digest, fps=2.0))
            assert (again.digest, again.times_s) == (clip.digest, clip.times_s)

    asyncio.run(main())


def test_a_clip_is_decoded_once_by_those_who_ask_at_once_and_late_by_those_after(tmp_path):
    """The first decodes; the others know its times, and decode only if they need the pixels."""

    async def main():
        pool = Counting(MediaLimits())
        async with opened(tmp_path, pool) as library:
            digest = await put(library, FILM)
            clips = await asyncio.gather(*(library.clip(Media(video=digest)) for _ in range(5)))
            await clips[0].pixels()
            assert pool.rates == [2.0]
            assert (await clips[1].pixels()).shape[0] == 4
            assert pool.rates == [2.0, 2.0]

    asyncio.run(main())


def test_a_list_of_frames_is_a_clip(tmp_path):
    """Frame k stands at k / fps; the order counts."""

    async def main():
        async with opened(tmp_path) as library:
            frames = ramp(3)
            digests = tuple([await put(library, encoded(frame)) for frame in frames])
            clip = await library.clip(Media(frames=digests, fps=4.0))
            assert clip.times_s == (0.0, 0.25, 0.5)
            assert np.array_equal(await clip.pixels(), np.stack(frames))
            other = await library.clip(Media(frames=digests[::-1], fps=4.0))
            assert other.digest != clip.digest

    asyncio.run(main())


def test_frames_of_two_sizes_are_no_clip(tmp_path):
    """Nor are more frames than the limit."""

    async def main():
        async with opened(tmp_path, clip_frames=2) as library:
            digests = tuple([await put(library, encoded(frame)) for frame in ramp(3)])
            odd = await put(library, coins())
            with pytest.raises(BadMedia, match="one size"):
                await library.clip(Media(frames=(digests[0], odd)))
            with pytest.raises(BadMedia, match="at most 2 frames"):
                await library.clip(Media(frames=digests))

    asyncio.run(main())


def test_an_image_is_no_video_and_a_video_no_image(tmp_path):
    """Each is told what it is."""

    async def main():
        async with opened(tmp_path) as library:
            picture, film = await put(library, coins()), await put(library, FILM)
            with pytest.raises(BadMedia, match="got a video"):
                await library.picture(film)
            with pytest.raises(BadMedia, match="got an image"):
                await library.clip(Media(video=picture))

    asyncio.run(main())


@pytest.mark.parametrize(
    ("content", "error"),
    [
        pytest.param(b"hello", BadMedia, id="text"),
        pytest.param(FILM[: len(FILM) // 2], BadMedia, id="half"),
        pytest.param(png_that_declares(40_000, 40_000), TooLarge, id="bomb"),
    ],
)
def test_what_cannot_be_used_is_not_kept(content, error, tmp_path):
    """It is refused when it is uploaded, and leaves no file."""

    async def main():
        async with opened(tmp_path) as library:
            with pytest.raises(error):
                await put(library, content)
            assert files(tmp_path) == 0

    asyncio.run(main())


def test_what_is_missing_is_named(tmp_path):
    """All of it, once each, and only that."""

    async def main():
        async with opened(tmp_path) as library:
            here = await put(library, coins())
            gone = ["0" * 64, "1" * 64]
            await library.require([here])
            with pytest.raises(MediaMissing, match="2 images or videos") as missing:
                await library.require([gone[1], here, gone[0], gone[1]])
            assert missing.value.detail == {"missing": gone[::-1]}
            with pytest.raises(InvalidRequest):
                await library.require(["../secrets"])

    asyncio.run(main())


def test_content_within_a_request_is_kept_like_any_other(tmp_path):
    """And is not written again when it is there."""

    async def main():
        async with opened(tmp_path) as library:
            digest = await library.put_inline(coins())
            assert digest == await library.put_inline(coins())
            assert (await library.picture(digest)).width == 384
            assert files(tmp_path) == 1

    asyncio.run(main())


def test_a_restart_describes_again_what_it_finds(tmp_path):
    """Nothing but the files is needed."""

    async def main():
        async with opened(tmp_path) as library:
            digest = await put(library, coins())
        async with opened(tmp_path) as library:
            await library.require([digest])
            assert (await library.picture(digest)).height == 303

    asyncio.run(main())


def test_uploads_beyond_the_limit_are_turned_away(tmp_path):
    """They would fill the disk behind the store's back."""

    async def main():
        async with opened(tmp_path) as library:
            stay = asyncio.Event()

            async def slow():
                await stay.wait()
                yield coins()

            digest = hashlib.sha256(coins()).hexdigest()
            waiting = [
                asyncio.create_task(library.put(digest, slow()))
                for _ in range(MediaLimits().uploads)
            ]
            await asyncio.sleep(0.05)
            with pytest.raises(Overloaded, match="uploads at once"):
                await library.put(digest, slow())
            stay.set()
            await asyncio.gather(*waiting)
            await put(library, coins())
            assert files(tmp_path) == 1

    asyncio.run(main())
