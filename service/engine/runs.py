"""Runs as an operator handles them: look, go back, carry away, bring in, remove."""

import time
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass

from service.engine.advance import generation
from service.engine.advantages import Follower
from service.engine.past import last_line
from service.engine.run_state import RunState
from service.engine.update_line import UpdateLine
from service.errors import RunExists, RunMoved, UnknownRun
from service.state.records import BEFORE_FIRST, Head, Mark, Record, Write
from service.state.store import RunStore

PAGE = 100
LONGEST_PAGE = 1000


@dataclass(frozen=True, slots=True)
class Run:
    """A run and where it stands; `step` is None before its first."""

    name: str
    step: int | None
    version: int
    state: RunState
    created_at: float
    updated_at: float

    @classmethod
    def at(cls, name: str, head: Head) -> "Run":
        """Read a run from what is stored of it."""
        step = None if head.step == BEFORE_FIRST else head.step
        state = RunState.decode(head.document)
        return cls(name, step, head.mark.version, state, head.created_at, head.updated_at)


@dataclass(frozen=True, slots=True)
class RunLedger:
    """Looks at the runs of a store and changes their past.

    Whatever changes it does so in one write, from where the run stood when it was read.
    """

    store: RunStore
    clock: Callable[[], float] = time.time
    followers: tuple[Follower, ...] = ()

    async def overview(
        self, *, after: str = "", limit: int = PAGE, wanted: Callable[[str], bool] = bool
    ) -> list[Run]:
        """Return runs by name, those that sort after `after` and have a `wanted` name."""
        found: list[Run] = []
        size = limit
        while len(found) < limit:
            page = await self.store.runs(after=after, limit=size)
            found += [Run.at(name, head) for name, head in page if wanted(name)]
            if len(page) < size:
                break
            # Few names may be wanted among many.
            after, size = page[-1][0], min(2 * size, LONGEST_PAGE)
        return found[:limit]

    async def find(self, run: str) -> Run:
        """Return a run; raise `UnknownRun` if there is none of that name."""
        return Run.at(run, await self._head(run))

    async def oldest_step(self, run: str) -> int | None:
        """Return the earliest step whose record is kept, None where there is none."""
        records = await self.store.records(run, after=BEFORE_FIRST, limit=1)
        return records[0].step if records else None

    async def history(
        self, run: str, *, after: int = BEFORE_FIRST, limit: int = PAGE
    ) -> list[UpdateLine]:
        """Return what the steps after `after` did, the earliest first."""
        records = await self.store.records(run, after=after, limit=limit)
        return [UpdateLine.decode(record.line) for record in records]

    async def lines(self, run: str) -> AsyncIterator[bytes]:
        """Give every line of the history that is kept, as it is stored."""
        after = BEFORE_FIRST - 1  # an import may stand before the first step
        while records := await self.store.records(run, after=after, limit=PAGE):
            for record in records:
                yield record.line
            after = records[-1].step

    async def rewind(self, run: str, step: int, *, expected_version: int | None = None) -> Run:
        """Put a run back to where it stood after `step`, and forget what came later.

        Where `step` itself was not taken, that is the last step before it. Raises `RunMoved` if
        the run is not at `expected_version`, `HistoryTrimmed` if no record reaches back so far.
        """
        head = await self._head(run)
        self._check_version(run, head, expected_version)
        line = await last_line(self.store, run, step)
        settings, now = RunState.decode(head.document).settings, self.clock()
        version, target = (line.mark.version, line.step) if line else (0, BEFORE_FIRST)
        state = RunState(settings, line.after if line else {})
        mark = Mark(generation(now, head.mark.generation), version)
        back = Head(mark, target, state.encode(), head.created_at, now)
        return await self._make(run, Write(head=back, expected=head.mark, forget_after=target))

    async def bring_in(self, run: str, imported: Run, *, replace: bool = False) -> Run:
        """Make `run` stand where an exported one stood.

        Raises `RunExists` if there is one already and it is not to be replaced.
        """
        head = (await self.store.read(run, 0, 0)).head
        if head is not None and not replace:
            raise RunExists(
                f"run {run!r} exists, at version {head.mark.version}: expected a name that is"
                " free, or replace=true",
                state_version=head.mark.version,
            )
        now = self.clock()
        before = head.mark.generation if head else 0
        mark = Mark(generation(now, before), imported.version)
        step = BEFORE_FIRST if imported.step is None else imported.step
        line = UpdateLine(
            event="import", run=run, mark=mark, step=step, at=now, after=imported.state.tasks
        )
        write = Write(
            head=Head(mark, step, imported.state.encode(), now, now),
            expected=head.mark if head else None,
            record=Record(step, line.encode()),
            forget_after=BEFORE_FIRST,
        )
        return await self._make(run, write)

    async def delete(self, run: str) -> None:
        """Remove a run and everything kept of it; raise `UnknownRun` if there is none."""
        if not await self.store.delete(run):
            raise _unknown(run)
        for follower in self.followers:
            follower.removed(run)

    async def _head(self, run: str) -> Head:
        head = (await self.store.read(run, 0, 0)).head
        if head is None:
            raise _unknown(run)
        return head

    def _check_version(self, run: str, head: Head, expected: int | None) -> None:
        if expected is not None and expected != head.mark.version:
            raise RunMoved(
                f"run {run!r} is at version {head.mark.version}: expected {expected}",
                state_version=head.mark.version,
                expected_version=expected,
            )

    async def _make(self, run: str, write: Write) -> Run:
        if not await self.store.write(run, write):
            raise RunMoved(f"run {run!r} moved on in the meantime: look again before changing it")
        for follower in self.followers:
            follower.moved(run, write.head)
        return Run.at(run, write.head)


def _unknown(run: str) -> UnknownRun:
    return UnknownRun(f"there is no run {run!r}: GET /runs lists them")
