"""Tests for `service.media.store`."""

import asyncio
import hashlib
import os
import time

import pytest

from service.errors import InvalidRequest, TooLarge, Unavailable
from service.media.store import MediaStore


def digest_of(content):
    """Return the SHA-256 in hexadecimal."""
    return hashlib.sha256(content).hexdigest()


async def chunks(content, size=1000):
    """Send content as a network does."""
    for start in range(0, len(content), size):
        yield content[start : start + size]


async def put(store, content):
    """Receive and keep content; return its digest."""
    async with store.receive(digest_of(content), chunks(content)) as arrived:
        await store.keep(arrived)
    return digest_of(content)


async def opened(folder, *, max_bytes=10_000, max_file_bytes=10_000):
    """Return a started store."""
    store = MediaStore(folder, max_bytes=max_bytes, max_file_bytes=max_file_bytes)
    await store.start()
    return store


def files(folder):
    """Return the names of all files below a folder."""
    return sorted(path.name for path in folder.rglob("*") if path.is_file())


def age(store, digest, seconds):
    """Make content look as if it was used long ago."""
    then = time.time() - seconds
    os.utime(store.path(digest), (then, then))


def test_content_is_kept_under_its_hash(tmp_path):
    """What was put is there, byte for byte, and nothing else is."""

    async def main():
        store, content = await opened(tmp_path), bytes(range(256)) * 20
        digest = await put(store, content)
        assert store.path(digest).read_bytes() == content
        assert await store.missing([digest, "0" * 64]) == ["0" * 64]
        assert files(tmp_path) == [digest]
        assert store.nbytes == len(content)

    asyncio.run(main())


def test_putting_twice_keeps_one(tmp_path):
    """A second upload of the same content changes nothing."""

    async def main():
        store = await opened(tmp_path)
        await put(store, b"a" * 100)
        await asyncio.gather(*(put(store, b"a" * 100) for _ in range(4)))
        assert store.nbytes == 100
        assert len(files(tmp_path)) == 1

    asyncio.run(main())


def test_content_that_is_not_what_its_hash_says_leaves_no_trace(tmp_path):
    """The message names both hashes."""

    async def main():
        store = await opened(tmp_path)
        with pytest.raises(InvalidRequest, match=digest_of(b"other")):
            async with store.receive(digest_of(b"this"), chunks(b"other")) as arrived:
                await store.keep(arrived)
        assert files(tmp_path) == []

    asyncio.run(main())


@pytest.mark.parametrize(
    "name", ["../../etc/passwd", "/etc/passwd", "A" * 64, "0" * 63, "0" * 65, "0" * 64 + "\n", ""]
)
@pytest.mark.promise(27)
def test_only_a_hash_becomes_a_path(name, tmp_path):
    """Nothing else can name a file."""

    async def main():
        store = await opened(tmp_path)
        with pytest.raises(InvalidRequest, match="SHA-256"):
            store.path(name)
        with pytest.raises(InvalidRequest):
            await store.missing([name])
        with pytest.raises(InvalidRequest):
            async with store.receive(name, chunks(b"x")):
                pass

    asyncio.run(main())


def test_content_beyond_the_limit_is_refused_while_it_comes(tmp_path):
    """An endless body is not read to its end."""

    async def main():
        store = await opened(tmp_path, max_bytes=10**8, max_file_bytes=2**21)
        sent = 0

        async def endless():
            nonlocal sent
            while True:
                sent += 2**16
                yield b"\0" * 2**16

        with pytest.raises(TooLarge, match=str(2**21)):
            async with store.receive("0" * 64, endless()):
                pass
        assert sent <= 2**22
        assert files(tmp_path) == []

    asyncio.run(main())


def test_a_caller_who_leaves_half_way_leaves_no_file(tmp_path):
    """An upload that breaks off is forgotten."""

    async def main():
        store = await opened(tmp_path)

        async def breaks():
            yield b"x" * 500
            raise ConnectionResetError

        with pytest.raises(ConnectionResetError):
            async with store.receive("0" * 64, breaks()):
                pass
        assert files(tmp_path) == []

    asyncio.run(main())


def test_the_least_recently_used_goes_first(tmp_path):
    """Room is made by what was not asked for lately, and the bound holds."""

    async def main():
        store = await opened(tmp_path, max_bytes=5000)
        digests = [await put(store, bytes([i]) * 1000) for i in range(5)]
        for seconds, digest in zip((50, 40, 30, 20, 10), digests, strict=True):
            age(store, digest, seconds)
        await store.missing(digests[:1])
        new = await put(store, b"new" * 300)
        assert await store.missing([*digests, new]) == digests[1:3]
        assert store.nbytes == 3900
        assert sum(path.stat().st_size for path in tmp_path.rglob("*") if path.is_file()) == 3900

    asyncio.run(main())


def test_a_restart_finds_what_was_there(tmp_path):
    """The folder is the state; order of use and bound hold across processes."""

    async def main():
        first = await opened(tmp_path)
        digests = [await put(first, bytes([i]) * 1000) for i in range(4)]
        for seconds, digest in zip((10, 40, 20, 30), digests, strict=True):
            age(first, digest, seconds)
        again = await opened(tmp_path)
        assert again.nbytes == 4000
        assert await again.missing(digests[:1]) == []
        smaller = await opened(tmp_path, max_bytes=2500)
        assert await smaller.missing(digests) == [digests[1], digests[3]]
        assert smaller.nbytes == 2000

    asyncio.run(main())


def test_uploads_cut_off_by_a_crash_are_cleared_away(tmp_path):
    """Old ones go; one that another process is writing stays."""

    async def main():
        old, young = tmp_path / "unfinished-old", tmp_path / "unfinished-young"
        for path in (old, young):
            path.write_bytes(b"half")
        os.utime(old, (1, 1))
        store = await opened(tmp_path)
        assert files(tmp_path) == ["unfinished-young"]
        assert store.nbytes == 0

    asyncio.run(main())


def test_several_processes_share_a_folder(tmp_path):
    """Each finds what another put there, and the bound holds over all to within a tenth each."""

    async def main():
        stores = [await opened(tmp_path, max_bytes=3000) for _ in range(3)]
        for number in range(60):
            digest = await put(stores[number % 3], bytes([number]) * 100)
            assert await stores[(number + 1) % 3].missing([digest]) == []
            assert sum(path.stat().st_size for path in tmp_path.glob("??/*")) <= 3600

    asyncio.run(main())


def test_a_disk_that_takes_nothing_is_unavailable(tmp_path):
    """The caller may try again; nothing pretends to be kept."""

    async def main():
        store = await opened(tmp_path / "media")
        (tmp_path / "media").rmdir()
        with pytest.raises(Unavailable, match="cannot write"):
            await put(store, b"x")

    asyncio.run(main())
