"""The log of updates that one replica keeps in a file, for whoever wants to check them."""

import asyncio
from pathlib import Path

import structlog

from rewards.advantages.step import Estimate
from service.background import Background
from service.engine.update_line import UpdateLine
from service.errors import BadSettings, StateUnavailable
from service.state.records import BEFORE_FIRST, Head
from service.state.store import RunStore

PAGE = 100
EVERYTHING = BEFORE_FIRST - 1


class UpdateLog(Background):
    """Appends the updates of every run that this replica moves, those of other replicas included.

    Each time a run has moved the file is brought up to date from the store, so it has no gaps,
    whoever took the steps and whenever a replica was killed. A file belongs to one replica.
    """

    def __init__(self, path: Path, store: RunStore) -> None:
        self._store = store
        self._due: asyncio.Queue[str | None] = asyncio.Queue()
        try:
            self._written = resume(path)
            self._file = path.open("ab", buffering=0)
        except (OSError, ValueError) as error:
            raise BadSettings(f"update log {path} cannot be continued: {error}") from None
        for run in self._written:
            self._due.put_nowait(run)

    def moved(self, run: str, head: Head, estimate: Estimate | None = None) -> None:  # noqa: ARG002 - the store is asked
        """Note that there is something to write; the caller does not wait for it."""
        self._due.put_nowait(run)

    def removed(self, run: str) -> None:
        """A file that was written stays so."""

    async def _end(self) -> None:
        self._due.put_nowait(None)
        await self._task
        self._file.close()

    async def _work(self) -> None:
        while (run := await self._due.get()) is not None:
            try:
                await self._catch_up(run)
            except (StateUnavailable, OSError) as error:
                # What is missing is written when the run moves again.
                structlog.get_logger().warning("update_log_behind", run=run, error=str(error))

    async def _catch_up(self, run: str) -> None:
        head = (await self._store.read(run, 0, 0)).head
        if head is None:
            return
        last = self._written.get(run)
        # In a new generation a run may have gone back to before what was written last.
        same = last is not None and last.mark.generation == head.mark.generation
        after = last.step if last is not None and same else EVERYTHING
        while records := await self._store.records(run, after=after, limit=PAGE):
            self._append(run, [record.line for record in records])
            after = records[-1].step

    def _append(self, run: str, lines: list[bytes]) -> None:
        for line in lines:
            update = UpdateLine.decode(line)
            last = self._written.get(run)
            if last is None or last.mark < update.mark:
                self._file.write(line + b"\n")
                self._written[run] = update


def resume(path: Path) -> dict[str, UpdateLine]:
    """Return the last update of each run in the file, if there is one.

    A line that was cut off, by a kill or a full disk, is removed. Raises `ValueError` for a file
    that holds anything else.
    """
    path.touch()
    last: dict[str, UpdateLine] = {}
    with path.open("r+b") as file:
        for line in file:
            if not line.endswith(b"\n"):
                file.seek(-len(line), 1)
                file.truncate()
                break
            try:
                update = UpdateLine.decode(line)
            except (KeyError, TypeError) as error:
                raise ValueError(f"expected lines of updates: {error!r}") from None
            last[update.run] = update
    return last
