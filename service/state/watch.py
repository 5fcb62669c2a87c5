"""Whether the store answers, asked all the time and told at once."""

import asyncio
import time
from collections.abc import Mapping

from rewards.ports import Health
from service.background import Background
from service.errors import StateUnavailable
from service.state.store import RunStore

PAUSE_S = 1.0


class StoreWatch(Background):
    """Asks a store once a second and remembers what came back."""

    def __init__(self, store: RunStore) -> None:
        self._store = store
        self._latest = Health(ready=True, heard_at=time.monotonic())

    def health(self) -> Mapping[str, Health]:
        """Whether the store answered when it was last asked."""
        return {"store": self._latest}

    async def _work(self) -> None:
        while True:
            try:
                await self._store.ping()
            except StateUnavailable as error:
                self._latest = Health(False, str(error), heard_at=time.monotonic())
            else:
                self._latest = Health(ready=True, heard_at=time.monotonic())
            await asyncio.sleep(PAUSE_S)
