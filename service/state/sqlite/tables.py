"""The tables of a run store and every statement on them, for one thread at a time."""

import sqlite3
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from importlib.resources import files
from typing import Any

from service.errors import BadSettings
from service.state.offers import NOTHING, Gathered, Offer, OpenStep, judge
from service.state.records import (
    SCHEMA,
    Head,
    Mark,
    Reading,
    Record,
    Retention,
    StoredAnswer,
    Write,
)
from service.state.sqlite import statements as sql

PAUSE_S = 0.01


class Tables:
    """An open database file. Every write is one transaction, on disk before it returns.

    Raises `BadSettings` for a file of another schema and `sqlite3.Error` for one that cannot be
    used. Another process may use the same file: a transaction waits for it for `busy_s`.
    """

    def __init__(
        self,
        path: str,
        retention: Retention,
        *,
        busy_s: float,
        clock: Callable[[], float] = time.time,
    ) -> None:
        self._retention = retention
        self._clock = clock
        self._db = sqlite3.connect(path, timeout=busy_s, isolation_level=None)
        _write_ahead(self._db, busy_s)
        self._db.execute("PRAGMA synchronous = FULL")
        self._db.execute("PRAGMA foreign_keys = ON")
        with self._transaction():
            self._create(path)
            self._db.execute(sql.EXPIRE_ANSWERS, (self._oldest(),))
            self._db.execute(sql.EXPIRE_OPEN_STEPS, (self._oldest(),))

    def _create(self, path: str) -> None:
        (found,) = self._db.execute("PRAGMA user_version").fetchone()
        if found == SCHEMA:
            return
        if found != 0:
            raise BadSettings(
                f"{path} holds runs of schema {found}, but this release reads and writes schema"
                f" {SCHEMA}: start the release that wrote it, or name another file"
            )
        script = files(__package__).joinpath("schema.sql").read_text(encoding="utf-8")
        for statement in script.split(";\n"):
            self._db.execute(statement)
        self._db.execute(f"PRAGMA user_version = {SCHEMA}")

    def read(self, run: str, step: int, part: int) -> Reading:
        """Return the run, the answer that `part` of `step` got, and what `step` has gathered."""
        with self._transaction("DEFERRED"):
            head = self._head(run)
            answer = self._db.execute(sql.ANSWER, (run, step, part)).fetchone()
            count = self._count(run, step)
        fresh = head is not None and head.updated_at >= self._oldest()
        return Reading(head, StoredAnswer(*answer) if answer and fresh else None, count)

    def write(self, run: str, write: Write) -> bool:
        """Make the change and return True, or change nothing and return False."""
        head, mark = write.head, write.head.mark
        with self._transaction():
            if not write.fits(self._head(run), self._count(run, head.step)):
                return False
            if write.forget_after is not None:
                self._forget_after(run, write.forget_after)
            self._db.execute(sql.CLOSE_STEPS, (run, head.step))
            place = (run, mark.generation, mark.version, head.step)
            content = (head.document, head.created_at, head.updated_at)
            self._db.execute(sql.WRITE_HEAD, place + content)
            if write.record is not None:
                row = (run, write.record.step, mark.version, write.record.line)
                self._db.execute(sql.WRITE_RECORD, row)
            self._db.executemany(
                sql.WRITE_ANSWER,
                [
                    (run, head.step, part, mark.version, answer.fingerprint, answer.body)
                    for part, answer in enumerate(write.answers)
                ],
            )
            self._trim(run, mark.version)
        return True

    def gather(self, run: str, offer: Offer) -> Gathered:
        """Keep what is offered, unless the step is taken or something stands in the way."""
        step = offer.step
        with self._transaction():
            self._db.execute(sql.EXPIRE_OPEN_STEPS, (self._oldest(),))
            open_steps = [row[0] for row in self._db.execute(sql.OPEN_STEPS, (run,))]
            gathered = judge(offer, self._head(run), self.open_step(run, step), open_steps)
            if gathered.kept:
                self._db.execute(sql.WRITE_OPEN_STEP, (run, step, offer.terms, self._clock()))
                self._db.executemany(
                    sql.WRITE_ENTRY,
                    [(run, step, key, payload) for key, payload in offer.entries.items()],
                )
        return gathered

    def open_step(self, run: str, step: int) -> OpenStep:
        """Return what was gathered for `step`."""
        row = self._db.execute(sql.TERMS, (run, step)).fetchone()
        if row is None:
            return NOTHING
        return OpenStep(row[0], dict(self._db.execute(sql.ENTRIES, (run, step))))

    def records(self, run: str, after: int, limit: int) -> list[Record]:
        """Return records of steps after `after`, the earliest first."""
        return [Record(*row) for row in self._db.execute(sql.RECORDS, (run, after, limit))]

    def latest(self, run: str, until: int) -> Record | None:
        """Return the record of the last step that is not after `until`."""
        row = self._db.execute(sql.LATEST_RECORD, (run, until)).fetchone()
        return Record(*row) if row else None

    def runs(self, after: str, limit: int) -> list[tuple[str, Head]]:
        """Return runs by name, those that sort after `after`."""
        rows = self._db.execute(sql.HEADS, (after, limit))
        return [(name, _head_of(columns)) for name, *columns in rows]

    def delete(self, run: str) -> bool:
        """Remove everything of a run; return whether it existed."""
        with self._transaction():
            cursors = [self._db.execute(statement, (run,)) for statement in sql.DELETE_RUN]
        return cursors[-1].rowcount > 0

    def ping(self) -> None:
        """Return if the file can be read."""
        self._db.execute("SELECT 1 FROM runs LIMIT 1").fetchone()

    def close(self) -> None:
        """Close the file; the last process to do so folds the log into it."""
        self._db.close()

    @contextmanager
    def _transaction(self, kind: str = "IMMEDIATE") -> Iterator[None]:
        self._db.execute(f"BEGIN {kind}")
        try:
            yield
            self._db.execute("COMMIT")
        finally:
            # A full disk has rolled back already.
            if self._db.in_transaction:
                self._db.execute("ROLLBACK")

    def _head(self, run: str) -> Head | None:
        row = self._db.execute(sql.HEAD, (run,)).fetchone()
        return _head_of(row) if row else None

    def _count(self, run: str, step: int) -> int:
        (count,) = self._db.execute(sql.COUNT_ENTRIES, (run, step)).fetchone()
        return int(count)

    def _forget_after(self, run: str, step: int) -> None:
        self._db.execute(sql.FORGET_OPEN_STEPS, (run,))
        for statement in sql.FORGET_AFTER:
            self._db.execute(statement, (run, step))

    def _trim(self, run: str, version: int) -> None:
        self._db.execute(sql.TRIM_ANSWERS, (run, version - self._retention.answer_steps))
        self._db.execute(sql.TRIM_RECORDS, (run, version - self._retention.record_steps))

    def _oldest(self) -> float:
        return self._clock() - self._retention.expire_s


def _write_ahead(database: sqlite3.Connection, busy_s: float) -> None:
    # SQLite waits for another's transaction, but not for another that makes this very change.
    until = time.monotonic() + busy_s
    while True:
        try:
            database.execute("PRAGMA journal_mode = WAL")
        except sqlite3.OperationalError as error:
            if error.sqlite_errorcode & 0xFF != sqlite3.SQLITE_BUSY or time.monotonic() > until:
                raise
            time.sleep(PAUSE_S)
        else:
            return


def _head_of(row: Any) -> Head:
    generation, version, *rest = row
    return Head(Mark(generation, version), *rest)
