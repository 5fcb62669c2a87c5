"""A replica's log of updates has no gaps, whoever took the steps."""

import asyncio

import pytest

from service.engine.advantages import AdvantageEngine
from service.engine.log_check import verify_log
from service.engine.runs import RunLedger
from service.engine.update_log import UpdateLog
from service.errors import BadSettings, StateUnavailable
from service.state.memory import MemoryStore
from tests.service.engine.steps import many_rollouts, request_of

pytestmark = pytest.mark.anyio


@pytest.fixture
def store():
    """A store in memory."""
    return MemoryStore()


@pytest.fixture
def path(tmp_path):
    """Where the log is."""
    return tmp_path / "updates.log"


async def take(store, steps, *followers):
    """Take steps through an engine that tells `followers`."""
    engine = AdvantageEngine(store, followers=followers)
    for step in steps:
        await engine.take(request_of(step, rollouts=many_rollouts(step)))


async def stored(store):
    """What the store says the log should hold."""
    return b"".join([line + b"\n" async for line in RunLedger(store).lines("job")])


async def test_every_update_is_written(store, path):
    """When the log is closed it holds exactly what the store does."""
    async with UpdateLog(path, store) as log:
        await take(store, range(5), log)
    assert path.read_bytes() == await stored(store)
    assert verify_log(path).updates == 5


async def test_updates_of_other_replicas_are_written_too(store, path):
    """Steps between those of this replica, and before its first."""
    async with UpdateLog(path, store) as log:
        await take(store, range(3))
        await take(store, [3], log)
        await take(store, range(4, 7))
        await take(store, [7], log)
    assert path.read_bytes() == await stored(store)


async def test_a_log_is_continued_where_it_broke_off(store, path):
    """A kill between a step and its line, or in the middle of one, leaves no gap."""
    async with UpdateLog(path, store) as log:
        await take(store, range(4), log)
    lines = path.read_bytes().splitlines(keepends=True)
    path.write_bytes(b"".join(lines[:2]) + lines[2][:50])
    async with UpdateLog(path, store):
        pass
    assert path.read_bytes() == await stored(store)


async def test_a_rewind_is_followed(store, path):
    """The steps that were taken anew come after those that were forgotten."""
    async with UpdateLog(path, store) as log:
        await take(store, range(5), log)
        await asyncio.sleep(0.01)
        await RunLedger(store, followers=(log,)).rewind("job", 1)
        await take(store, [2, 3], log)
    report = verify_log(path)
    assert (report.faults, report.updates, report.rewinds) == ((), 7, 1)


async def test_a_store_that_is_away_delays_the_log_and_nothing_else(store, path):
    """What could not be written is written when the run moves again."""

    class Away(MemoryStore):
        async def records(self, *_, **__):
            raise StateUnavailable("away")

    away = Away()
    away._runs = store._runs
    async with UpdateLog(path, away) as log:
        await take(away, range(2), log)
    assert path.read_bytes() == b""
    async with UpdateLog(path, store) as log:
        await take(store, [2], log)
    assert path.read_bytes() == await stored(store)


async def test_a_run_that_was_removed_is_no_trouble(store, path):
    """What was written stays; there is nothing to add."""
    async with UpdateLog(path, store) as log:
        await take(store, range(2), log)
    before = path.read_bytes()
    await store.delete("job")
    async with UpdateLog(path, store):
        pass
    assert path.read_bytes() == before


async def test_a_file_that_is_no_log_is_left_alone(store, path):
    """The service does not start rather than append to something else."""
    path.write_text('{"hello": "world"}\n')
    with pytest.raises(BadSettings, match="cannot be continued"):
        UpdateLog(path, store)
    assert path.read_text() == '{"hello": "world"}\n'
