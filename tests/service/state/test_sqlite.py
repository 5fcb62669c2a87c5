"""What holds of the SQLite store alone: its file, its schema, and two processes on it."""

import asyncio
import sqlite3
import subprocess
import sys
import textwrap
import time
from concurrent.futures import ThreadPoolExecutor
from threading import Barrier

import pytest

from service.errors import BadSettings, StateUnavailable
from service.state.records import Head, Mark, Record, Retention, Write
from service.state.sqlite.store import SqliteStore
from service.state.sqlite.tables import Tables

pytestmark = pytest.mark.anyio

COUNT_UP = """
    import asyncio, sys
    from service.state.records import Head, Mark, Record, Write
    from service.state.sqlite.store import SqliteStore

    async def main(path, writes):
        store = await SqliteStore.open(path, timeout_s=20)
        made = 0
        while made < writes:
            head = (await store.read("job", 0, 0)).head
            version = head.mark.version + 1 if head else 1
            write = Write(
                head=Head(Mark(1, version), version, b"", 0.0, 4e9),
                expected=head.mark if head else None,
                record=Record(version, b"%d" % version),
            )
            made += await store.write("job", write)
        await store.close()

    asyncio.run(main(sys.argv[1], int(sys.argv[2])))
"""


@pytest.fixture
def path(tmp_path):
    """Where the file is."""
    return str(tmp_path / "runs.db")


def race(path, writes):
    """Two processes that count up in one file; their exit codes."""
    command = [sys.executable, "-c", textwrap.dedent(COUNT_UP), path, str(writes)]
    racers = [subprocess.Popen(command) for _ in range(2)]
    try:
        return [racer.wait(timeout=60) for racer in racers]
    finally:
        for racer in racers:
            racer.kill()


async def test_two_processes_share_a_file_without_losing_a_write(path):
    """Each makes a hundred writes in a race for every version: two hundred are there."""
    assert race(path, 100) == [0, 0]
    store = await SqliteStore.open(path)
    assert (await store.read("job", 0, 0)).head.mark.version == 200
    lines = [record.line for record in await store.records("job", after=0, limit=999)]
    assert lines == [b"%d" % version for version in range(1, 201)]
    await store.close()


def test_a_new_file_may_be_opened_by_several_at_once(tmp_path):
    """Who makes it and who waits is theirs: sixteen files, four at each, none is turned away."""

    def meet(path, gate):
        gate.wait(timeout=30)
        Tables(path, Retention(), busy_s=20).close()

    with ThreadPoolExecutor(4) as threads:
        for number in range(16):
            meeting = (str(tmp_path / f"{number}.db"), Barrier(4))
            for opened in [threads.submit(meet, *meeting) for _ in range(4)]:
                opened.result(timeout=60)


async def test_every_write_is_on_disk_before_it_returns(path):
    """The journal is written ahead and synchronised in full."""
    store = await SqliteStore.open(path)
    database = store._tables._db
    ask = store._thread.submit
    assert ask(lambda: database.execute("PRAGMA journal_mode").fetchone()).result() == ("wal",)
    assert ask(lambda: database.execute("PRAGMA synchronous").fetchone()).result() == (2,)
    await store.close()


async def test_a_file_of_a_newer_release_is_left_alone(path):
    """The store does not open, in one line that says what to do, and writes nothing."""
    await (await SqliteStore.open(path)).close()
    with sqlite3.connect(path) as database:
        database.execute("PRAGMA user_version = 7")
    with pytest.raises(BadSettings, match=r"schema 7, but this release .* schema 1: start"):
        await SqliteStore.open(path)


@pytest.mark.parametrize("content", [b"no database " * 100, None], ids=["other-file", "no-folder"])
async def test_what_cannot_be_opened_is_named(tmp_path, content):
    """A file of something else, or a folder that is not there."""
    path = tmp_path / "folder" / "runs.db"
    if content is not None:
        path.parent.mkdir()
        path.write_bytes(content)
    with pytest.raises(BadSettings, match=r"runs\.db cannot be used: "):
        await SqliteStore.open(str(path))


async def write_at_last(store, write):
    """Write as soon as the store is no longer away."""
    limit = time.monotonic() + 60
    while True:
        try:
            return await store.write("job", write)
        except StateUnavailable:
            assert time.monotonic() < limit
            await asyncio.sleep(0.05)


async def test_a_file_that_is_locked_is_away_for_a_while(path):
    """A writer that cannot get its turn hears so in time, and the next one is served."""
    store = await SqliteStore.open(path, timeout_s=0.2)
    write = Write(head=Head(Mark(1, 1), 0, b"", 0.0, 4e9), expected=None)
    with sqlite3.connect(path, isolation_level=None) as other:
        other.execute("BEGIN IMMEDIATE")
        with pytest.raises(StateUnavailable):
            await store.write("job", write)
        other.execute("ROLLBACK")
    other.close()
    await write_at_last(store, write)
    assert (await store.read("job", 0, 0)).head.mark.version == 1
    await store.close()


async def test_a_write_that_fails_half_way_leaves_nothing(path):
    """A record that cannot be inserted takes the new head with it."""
    store = await SqliteStore.open(path)
    first = Write(head=Head(Mark(1, 1), 5, b"", 0.0, 4e9), expected=None, record=Record(5, b"one"))
    assert await store.write("job", first)
    twice = Write(
        head=Head(Mark(1, 2), 6, b"", 0.0, 4e9), expected=Mark(1, 1), record=Record(5, b"two")
    )
    with pytest.raises(StateUnavailable, match="UNIQUE"):
        await store.write("job", twice)
    assert (await store.read("job", 6, 0)).head.mark.version == 1
    await store.close()
