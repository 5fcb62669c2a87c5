"""The store is asked all the time, and what it said last is told at once."""

import asyncio

import pytest

from service.errors import StateUnavailable
from service.state import watch
from service.state.memory import MemoryStore
from service.state.watch import StoreWatch

pytestmark = pytest.mark.anyio


class Moody(MemoryStore):
    """A store that is there or not, as a test says."""

    away = False

    async def ping(self):
        """Answer, or do not."""
        if self.away:
            raise StateUnavailable("gone fishing")


async def test_health_follows_the_store(monkeypatch):
    """Ready, away with the reason, and ready again."""
    monkeypatch.setattr(watch, "PAUSE_S", 0.001)
    store = Moody()

    async def until(*, ready):
        async with asyncio.timeout(10):
            while watched.health()["store"].ready is not ready:  # noqa: ASYNC110 - not announced
                await asyncio.sleep(0.001)
        return watched.health()["store"].reason

    async with StoreWatch(store) as watched:
        assert await until(ready=True) is None
        store.away = True
        assert await until(ready=False) == "gone fishing"
        store.away = False
        assert await until(ready=True) is None
