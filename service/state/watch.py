"""Whether the store answers, asked all the time and told at once."""

import asyncio
import time
from collections.abc import Mapping

import structlog

from rewards.ports import Health
from service.background import Background
from service.errors import StateUnavailable
from service.state.store import RunStore

PAUSE_S = 1.0

log = structlog.get_logger()


class StoreWatch(Background):
    """Asks a store once a second and remembers what came back.

    Only the log is told in the words of the store's driver, which name its address.
    """

    def __init__(self, store: RunStore) -> None:
        self._store = store
        self._latest = Health(ready=True, heard_at=time.monotonic())

    def health(self) -> Mapping[str, Health]:
        """Whether the store answered when it was last asked."""
        return {"store": self._latest}

    async def _work(self) -> None:
        while True:
            trouble, cause = None, None
            try:
                await self._store.ping()
            except StateUnavailable as error:
                trouble, cause = str(error), str(error.__cause__ or error)
            if self._latest.ready != (trouble is None):
                log.warning("store away" if trouble else "store back", reason=cause)
            self._latest = Health(trouble is None, trouble, heard_at=time.monotonic())
            await asyncio.sleep(PAUSE_S)
