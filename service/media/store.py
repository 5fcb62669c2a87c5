"""Uploaded content by its hash: on disk, bounded in bytes, the least recently used goes first."""

import asyncio
import hashlib
import os
import re
import tempfile
import time
from collections.abc import AsyncIterable, AsyncIterator, Iterable, Iterator
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

from service.errors import BadSettings, InvalidRequest, TooLarge, Unavailable

DIGEST = re.compile(r"[0-9a-f]{64}")
# Evicting down to less than the bound makes the next scan of the disk a while away.
KEPT_SHARE = 0.9
WRITTEN_AT_ONCE = 2**20
UNFINISHED = "unfinished-"
ABANDONED_AFTER_S = 3600.0


@dataclass(frozen=True, slots=True)
class Arrived:
    """Content that is whole and is what its hash says; it is kept or gone when its upload ends."""

    digest: str
    path: Path
    size: int


@dataclass(frozen=True, slots=True)
class _Entry:
    used: float
    size: int
    path: Path


class MediaStore:
    """Files named by their SHA-256 under one folder, and that folder is all the state there is.

    A restart finds what was there. Several processes may share the folder: each finds what the
    others put there, and each of the others may exceed the bound by a tenth of it, for that is
    how much a process writes before it looks at the folder again.
    Not covered: content that rots on the disk is not hashed again when it is read.
    """

    def __init__(self, folder: Path, *, max_bytes: int, max_file_bytes: int) -> None:
        self._folder = folder
        self._max_bytes = max_bytes
        self._max_file_bytes = min(max_file_bytes, max_bytes)
        self._bytes = 0
        self._since_scan = 0
        self._changing = asyncio.Lock()

    @property
    def nbytes(self) -> int:
        """Bytes on disk, as far as this process knows."""
        return self._bytes

    async def start(self) -> None:
        """Make the folder, measure what is in it, and drop uploads that were cut off long ago.

        Raises `BadSettings` for a folder that cannot be used.
        """
        try:
            await asyncio.to_thread(self._start)
        except OSError as error:
            raise BadSettings(f"media folder {self._folder}: {error.strerror}") from None

    def path(self, digest: str) -> Path:
        """Where content is, if it is there; `digest` is checked first, for it becomes a path."""
        if not DIGEST.fullmatch(digest):
            raise InvalidRequest("expected a SHA-256 in 64 lower-case hexadecimal digits")
        return self._folder / digest[:2] / digest

    async def missing(self, digests: Iterable[str]) -> list[str]:
        """Return the digests that are not here; the others now count as just used."""
        return await asyncio.to_thread(self._missing, list(dict.fromkeys(digests)))

    @asynccontextmanager
    async def receive(self, digest: str, chunks: AsyncIterable[bytes]) -> AsyncIterator[Arrived]:
        """Write content to disk and hash it on the way; `keep` it within the context, or it goes.

        Raises `InvalidRequest` for content that has another hash, `TooLarge`, or `Unavailable`
        when the disk does not take it.
        """
        self.path(digest)
        descriptor, name = await asyncio.to_thread(self._begin)
        path = Path(name)
        try:
            with os.fdopen(descriptor, "wb") as file:
                hashed, size = hashlib.sha256(), 0
                async for block in _blocks(chunks):
                    size += len(block)
                    self._check_size(size)
                    await asyncio.to_thread(_write, file, hashed, block)
                await asyncio.to_thread(_finish, file)
            if hashed.hexdigest() != digest:
                raise InvalidRequest(
                    f"expected content with the SHA-256 {digest}; got {hashed.hexdigest()}"
                )
            yield Arrived(digest, path, size)
        finally:
            await asyncio.to_thread(path.unlink, missing_ok=True)

    async def keep(self, arrived: Arrived) -> None:
        """Give content its name, and evict the least recently used until all fits."""
        async with self._changing:
            await asyncio.to_thread(self._keep, arrived)

    def _check_size(self, size: int) -> None:
        if size > self._max_file_bytes:
            raise TooLarge(
                f"expected content of at most {self._max_file_bytes} bytes",
                media_bytes=self._max_file_bytes,
            )

    def _begin(self) -> tuple[int, str]:
        with _disk():
            return tempfile.mkstemp(prefix=UNFINISHED, dir=self._folder)

    def _start(self) -> None:
        self._folder.mkdir(parents=True, exist_ok=True)
        for upload in _found(self._folder.glob(f"{UNFINISHED}*")):
            if upload.used < time.time() - ABANDONED_AFTER_S:
                upload.path.unlink(missing_ok=True)
        self._evict(0)

    def _missing(self, digests: list[str]) -> list[str]:
        absent = []
        for digest in digests:
            try:
                os.utime(self.path(digest))
            except FileNotFoundError:
                absent.append(digest)
        return absent

    def _keep(self, arrived: Arrived) -> None:
        if not self._missing([arrived.digest]):
            return
        self._since_scan += arrived.size
        stale = self._since_scan > (1 - KEPT_SHARE) * self._max_bytes
        if stale or self._bytes + arrived.size > self._max_bytes:
            self._evict(arrived.size)
        place = self.path(arrived.digest)
        with _disk():
            place.parent.mkdir(exist_ok=True)
            arrived.path.replace(place)
        self._bytes += arrived.size

    def _evict(self, room: int) -> None:
        entries = sorted(self._entries(), key=lambda entry: entry.used)
        self._bytes = sum(entry.size for entry in entries)
        self._since_scan = 0
        if self._bytes + room <= self._max_bytes:
            return
        for entry in entries:
            if self._bytes + room <= KEPT_SHARE * self._max_bytes:
                break
            # Another process may have used it, or dropped it, since it was found.
            if list(_found([entry.path])) == [entry]:
                entry.path.unlink(missing_ok=True)
                self._bytes -= entry.size

    def _entries(self) -> Iterator[_Entry]:
        return _found(self._folder.glob("[0-9a-f][0-9a-f]/*"))


def _found(paths: Iterable[Path]) -> Iterator[_Entry]:
    """Those of the files that no other process took away or finished meanwhile."""
    for path in paths:
        try:
            stat = path.stat()
        except FileNotFoundError:
            continue
        yield _Entry(stat.st_mtime, stat.st_size, path)


async def _blocks(chunks: AsyncIterable[bytes]) -> AsyncIterator[bytes]:
    block = bytearray()
    async for chunk in chunks:
        block += chunk
        if len(block) >= WRITTEN_AT_ONCE:
            yield bytes(block)
            block.clear()
    yield bytes(block)


def _write(file: BinaryIO, hashed: "hashlib._Hash", block: bytes) -> None:
    hashed.update(block)
    with _disk():
        file.write(block)


def _finish(file: BinaryIO) -> None:
    # After a power loss a name never stands for half of its content.
    with _disk():
        file.flush()
        os.fsync(file.fileno())


@contextmanager
def _disk() -> Iterator[None]:
    try:
        yield
    except OSError as error:
        raise Unavailable(f"the media store cannot write: {error.strerror}") from error
