"""The store is asked all the time, and what it said last is told at once."""

import asyncio
import time

import pytest
from structlog.testing import capture_logs

from service.errors import StateUnavailable
from service.state import watch
from service.state.memory import MemoryStore
from service.state.watch import StoreWatch

pytestmark = pytest.mark.anyio


class Moody(MemoryStore):
    """A store that is there or not, as a test says."""

    away = silent = False

    def __init__(self):
        super().__init__()
        self.asked = asyncio.Event()

    async def ping(self):
        """Answer, fail, or do neither."""
        if self.silent:
            self.asked.set()
            await asyncio.Event().wait()
        if self.away:
            raise StateUnavailable("gone fishing") from OSError("port 6379 is closed")


async def test_a_store_that_stays_silent_was_last_heard_of_long_ago(monkeypatch):
    """While it answers or fails it is heard of again and again; silence changes nothing."""
    monkeypatch.setattr(watch, "PAUSE_S", 0.001)
    store = Moody()

    async def heard_after(instant):
        async with asyncio.timeout(10):
            while watched.health()["store"].heard_at <= instant:  # noqa: ASYNC110 - not announced
                await asyncio.sleep(0.001)

    async with StoreWatch(store) as watched:
        await heard_after(time.monotonic())
        store.away = True
        await heard_after(time.monotonic())
        store.silent = True
        await asyncio.wait_for(store.asked.wait(), 10)
        last = watched.health()
        await asyncio.sleep(0.05)
        assert watched.health()["store"] is last["store"]


async def test_health_follows_the_store(monkeypatch):
    """Ready, away with the reason, and ready again; the log has each change and its cause once."""
    monkeypatch.setattr(watch, "PAUSE_S", 0.001)
    store = Moody()

    async def until(*, ready):
        async with asyncio.timeout(10):
            while watched.health()["store"].ready is not ready:  # noqa: ASYNC110 - not announced
                await asyncio.sleep(0.001)
        return watched.health()["store"].reason

    async with StoreWatch(store) as watched:
        with capture_logs() as logged:
            assert await until(ready=True) is None
            store.away = True
            assert await until(ready=False) == "gone fishing"
            store.away = False
            assert await until(ready=True) is None
    told = [(line["event"], line["reason"]) for line in logged]
    assert told == [("store away", "port 6379 is closed"), ("store back", None)]
