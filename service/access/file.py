"""The file of keys, read again whenever it changes."""

import asyncio
import time
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

import structlog

from rewards.ports import Health
from service.access.keys import Key, KeyRing
from service.background import Background
from service.errors import BadSettings

PAUSE_S = 1.0
LARGEST_BYTES = 2**20

log = structlog.get_logger()


class KeyFile(Background):
    """The keys of a file as it last made sense.

    The file is read once a second. One that cannot be read or understood any more changes nothing
    but what `health` says: callers keep their keys while it is put right. At the start such a file
    raises `BadSettings`.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self._latest = Health(ready=True)
        self._read_at = time.monotonic()
        self._failed = 0
        try:
            self._content: bytes | None = self._read()
            self._ring = KeyRing.read(self._content)
        except BadSettings as error:
            raise BadSettings(f"keys file {path}: {error}") from None

    def find(self, presented: bytes) -> Key | None:
        """Return the key that a caller presented, or None."""
        return self._ring.find(presented)

    def health(self) -> Mapping[str, Health]:
        """Whether the file made sense when it was last read."""
        return {"keys": replace(self._latest, heard_at=self._read_at)}

    def usage(self) -> Mapping[str, float]:
        """How many keys there are, and how often the file changed to what makes no sense."""
        return {"known": len(self._ring.keys), "failed_reloads": self._failed}

    async def _work(self) -> None:
        while True:
            await asyncio.sleep(PAUSE_S)
            await self._reload()
            self._read_at = time.monotonic()

    async def _reload(self) -> None:
        content, before = None, self._content
        try:
            content = await asyncio.to_thread(self._read)
            if content == before:
                return
            self._ring = KeyRing.read(content)
            self._latest = Health(ready=True)
            log.info("keys changed", keys=[key.name for key in self._ring.keys])
        except BadSettings as error:
            if content != before:
                self._keep(str(error))
        self._content = content

    def _keep(self, why: str) -> None:
        self._latest = Health(ready=False, reason=f"the keys of before are in use: {why}")
        self._failed += 1
        log.error("keys kept", reason=why)

    def _read(self) -> bytes:
        try:
            with self._path.open("rb") as file:
                content = file.read(LARGEST_BYTES + 1)
        except OSError as error:
            raise BadSettings(f"{error.strerror}") from None
        if len(content) > LARGEST_BYTES:
            raise BadSettings(f"expected at most {LARGEST_BYTES} bytes")
        return content
