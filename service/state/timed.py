"""A run store whose every answer is timed."""

from collections.abc import Callable
from contextlib import AbstractContextManager

from service.state.offers import Gathered, Offer, OpenStep
from service.state.records import Head, Reading, Record, Write
from service.state.store import RunStore

Timer = Callable[[str], AbstractContextManager[None]]


class TimedStore:
    """Asks another store, inside a `timer` that is told what for."""

    def __init__(self, store: RunStore, timer: Timer) -> None:
        self._store, self._timer = store, timer

    async def read(self, run: str, step: int, part: int) -> Reading:
        """As the store does."""
        with self._timer("read"):
            return await self._store.read(run, step, part)

    async def write(self, run: str, write: Write) -> bool:
        """As the store does."""
        with self._timer("write"):
            return await self._store.write(run, write)

    async def gather(self, run: str, offer: Offer) -> Gathered:
        """As the store does."""
        with self._timer("gather"):
            return await self._store.gather(run, offer)

    async def open_step(self, run: str, step: int) -> OpenStep:
        """As the store does."""
        with self._timer("open_step"):
            return await self._store.open_step(run, step)

    async def records(self, run: str, *, after: int, limit: int) -> list[Record]:
        """As the store does."""
        with self._timer("records"):
            return await self._store.records(run, after=after, limit=limit)

    async def latest(self, run: str, until: int) -> Record | None:
        """As the store does."""
        with self._timer("latest"):
            return await self._store.latest(run, until)

    async def runs(self, *, after: str, limit: int) -> list[tuple[str, Head]]:
        """As the store does."""
        with self._timer("runs"):
            return await self._store.runs(after=after, limit=limit)

    async def delete(self, run: str) -> bool:
        """As the store does."""
        with self._timer("delete"):
            return await self._store.delete(run)

    async def ping(self) -> None:
        """As the store does."""
        with self._timer("ping"):
            await self._store.ping()

    async def close(self) -> None:
        """As the store does."""
        await self._store.close()
