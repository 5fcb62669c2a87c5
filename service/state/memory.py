"""Runs in the memory of this process: gone when it ends, shared with no one."""

import time
from bisect import bisect_right
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field

from service.state.offers import NOTHING, Gathered, Offer, OpenStep, judge
from service.state.records import Head, Reading, Record, Retention, StoredAnswer, Write


@dataclass(slots=True)
class _Run:
    head: Head | None = None
    records: list[Record] = field(default_factory=list)
    answers: dict[int, Sequence[StoredAnswer]] = field(default_factory=dict)
    gathering: dict[int, OpenStep] = field(default_factory=dict)
    gathered_at: dict[int, float] = field(default_factory=dict)

    def forget_after(self, step: int) -> None:
        self.records = [record for record in self.records if record.step <= step]
        self.answers = {taken: given for taken, given in self.answers.items() if taken <= step}
        self.close(self.gathering)

    def close(self, steps: Iterable[int]) -> None:
        for step in list(steps):
            del self.gathering[step], self.gathered_at[step]


class MemoryStore:
    """A run store of dictionaries. Nothing in it awaits, so every method is atomic."""

    def __init__(
        self, retention: Retention | None = None, clock: Callable[[], float] = time.time
    ) -> None:
        self._retention = retention or Retention()
        self._clock = clock
        self._runs: dict[str, _Run] = {}

    async def read(self, run: str, step: int, part: int) -> Reading:
        """Return the run, the answer that `part` of `step` got, and what `step` has gathered."""
        found = self._find(run)
        answers = found.answers.get(step, ())
        answer = answers[part] if part < len(answers) else None
        if found.head is None or self._is_stale(found.head.updated_at):
            answer = None
        return Reading(found.head, answer, self._count(found, step))

    async def write(self, run: str, write: Write) -> bool:
        """Make the change and return True, or change nothing and return False."""
        found, head = self._find(run), write.head
        if not write.fits(found.head, self._count(found, head.step)):
            return False
        if write.forget_after is not None:
            found.forget_after(write.forget_after)
        found.close(step for step in found.gathering if step <= head.step)
        found.head = head
        if write.record is not None:
            found.records.append(write.record)
        if write.answers:
            found.answers[head.step] = write.answers
        self._trim(found)
        self._runs[run] = found
        return True

    async def gather(self, run: str, offer: Offer) -> Gathered:
        """Keep what is offered, unless the step is taken or something stands in the way."""
        found, step = self._find(run), offer.step
        found.close(old for old, at in found.gathered_at.items() if self._is_stale(at))
        there = found.gathering.get(step, NOTHING)
        gathered = judge(offer, found.head, there, found.gathering)
        if gathered.kept:
            found.gathering[step] = OpenStep(offer.terms, {**there.entries, **offer.entries})
            found.gathered_at[step] = self._clock()
            self._runs[run] = found
        return gathered

    async def open_step(self, run: str, step: int) -> OpenStep:
        """Return what was gathered for `step`."""
        return self._find(run).gathering.get(step, NOTHING)

    async def records(self, run: str, *, after: int, limit: int) -> list[Record]:
        """Return records of steps after `after`, the earliest first."""
        records = self._find(run).records
        first = bisect_right(records, after, key=lambda record: record.step)
        return records[first : first + limit]

    async def latest(self, run: str, until: int) -> Record | None:
        """Return the record of the last step that is not after `until`."""
        records = self._find(run).records
        place = bisect_right(records, until, key=lambda record: record.step)
        return records[place - 1] if place else None

    async def runs(self, *, after: str, limit: int) -> list[tuple[str, Head]]:
        """Return runs by name, those that sort after `after`."""
        names = sorted(name for name in self._runs if name > after)
        heads = ((name, self._runs[name].head) for name in names)
        return [(name, head) for name, head in heads if head is not None][:limit]

    async def delete(self, run: str) -> bool:
        """Remove everything of a run; return whether it existed."""
        found = self._runs.pop(run, None)
        return found is not None and found.head is not None

    async def ping(self) -> None:
        """Return: memory always answers."""

    async def close(self) -> None:
        """Release nothing: memory goes with the process."""

    def _find(self, run: str) -> _Run:
        return self._runs.get(run) or _Run()

    def _count(self, found: _Run, step: int) -> int:
        return len(found.gathering.get(step, NOTHING).entries)

    def _is_stale(self, at: float) -> bool:
        return at + self._retention.expire_s < self._clock()

    def _trim(self, found: _Run) -> None:
        del found.records[: -self._retention.record_steps]
        for step in sorted(found.answers)[: -self._retention.answer_steps]:
            del found.answers[step]
