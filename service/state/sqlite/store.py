"""The embedded run store: one file, and the one thread that reads and writes it."""

import asyncio
import sqlite3
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any, Self, TypeVar

from service.errors import BadSettings, StateUnavailable
from service.state.offers import Gathered, Offer, OpenStep
from service.state.records import Head, Reading, Record, Retention, Write
from service.state.sqlite.tables import Tables

T = TypeVar("T")


class SqliteStore:
    """A run store in a file.

    Several threads that write one SQLite file starve each other; one thread in a row does not.
    Two processes may share the file: each write is a transaction that waits for the other.
    """

    def __init__(self, thread: ThreadPoolExecutor, tables: Tables, timeout_s: float) -> None:
        self._thread = thread
        self._tables = tables
        self._timeout_s = timeout_s

    @classmethod
    async def open(
        cls, path: str, *, retention: Retention | None = None, timeout_s: float = 2.0
    ) -> Self:
        """Open or make the file at `path`; raise `BadSettings` where it cannot be used."""
        thread = ThreadPoolExecutor(1, thread_name_prefix="sqlite")

        def connect() -> Tables:
            return Tables(path, retention or Retention(), busy_s=timeout_s)

        try:
            tables = await asyncio.wrap_future(thread.submit(connect))
        except (sqlite3.Error, OSError) as error:
            thread.shutdown()
            raise BadSettings(f"store sqlite:{path} cannot be used: {error}") from None
        except BadSettings:
            thread.shutdown()
            raise
        return cls(thread, tables, timeout_s)

    async def _call(self, work: Callable[..., T], *args: Any) -> T:
        try:
            async with asyncio.timeout(self._timeout_s):
                return await asyncio.wrap_future(self._thread.submit(work, *args))
        except TimeoutError:
            raise StateUnavailable(
                f"the run store did not answer within {self._timeout_s:g} s", reason="timeout"
            ) from None
        except sqlite3.Error as error:
            raise StateUnavailable(
                f"the run store failed: {error}", reason=error.sqlite_errorname
            ) from error

    async def read(self, run: str, step: int, part: int) -> Reading:
        """Return the run, the answer that `part` of `step` got, and what `step` has gathered."""
        return await self._call(self._tables.read, run, step, part)

    async def write(self, run: str, write: Write) -> bool:
        """Make the change and return True, or change nothing and return False."""
        return await self._call(self._tables.write, run, write)

    async def gather(self, run: str, offer: Offer) -> Gathered:
        """Keep what is offered, unless the step is taken or something stands in the way."""
        return await self._call(self._tables.gather, run, offer)

    async def open_step(self, run: str, step: int) -> OpenStep:
        """Return what was gathered for `step`."""
        return await self._call(self._tables.open_step, run, step)

    async def records(self, run: str, *, after: int, limit: int) -> list[Record]:
        """Return records of steps after `after`, the earliest first."""
        return await self._call(self._tables.records, run, after, limit)

    async def latest(self, run: str, until: int) -> Record | None:
        """Return the record of the last step that is not after `until`."""
        return await self._call(self._tables.latest, run, until)

    async def runs(self, *, after: str, limit: int) -> list[tuple[str, Head]]:
        """Return runs by name, those that sort after `after`."""
        return await self._call(self._tables.runs, after, limit)

    async def delete(self, run: str) -> bool:
        """Remove everything of a run; return whether it existed."""
        return await self._call(self._tables.delete, run)

    async def ping(self) -> None:
        """Return if the store answers."""
        await self._call(self._tables.ping)

    async def close(self) -> None:
        """Close the file, after the work that was handed in before."""
        await asyncio.wrap_future(self._thread.submit(self._tables.close))
        self._thread.shutdown()
