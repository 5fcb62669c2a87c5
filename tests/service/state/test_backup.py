"""A copy that is made while steps are taken is whole, and a run goes on from it to the last bit."""

import asyncio
import shutil
import sqlite3
from contextlib import asynccontextmanager, closing

import pytest

from rewards.advantages.rollouts import Rollouts
from rewards.specs import ONETHINKER_RELEASED
from service.engine.advantages import AdvantageEngine
from service.engine.log_check import verify_lines
from service.engine.runs import RunLedger
from service.engine.steps import StepRequest
from service.state.records import Retention
from service.state.redis.store import RedisStore
from service.state.sqlite.store import SqliteStore
from tests.redis_server import RedisServer

pytestmark = pytest.mark.anyio

RETENTION = Retention(record_steps=10_000, answer_steps=4)
SOME, PATIENCE_S = 50, 60.0


def request(step):
    """A step of two groups."""
    rewards = [step % 7 / 7, 1.0, 0.25, 0.5]
    rollouts = Rollouts(rewards, ["a", "a", "b", "b"], ["math"] * 4)
    return StepRequest(run="job", step=step, spec=ONETHINKER_RELEASED, rollouts=rollouts)


@asynccontextmanager
async def stepping(store):
    """Take steps all the while; gives the answers so far, in the order of the steps."""
    engine, answers = AdvantageEngine(store), []
    taken, stopped = asyncio.Semaphore(0), asyncio.Event()

    async def step_on():
        while not stopped.is_set():
            answers.append((await engine.take(request(len(answers)))).body)
            taken.release()

    async with asyncio.timeout(PATIENCE_S), asyncio.TaskGroup() as group:
        group.create_task(step_on())
        for _ in range(SOME):
            await taken.acquire()
        yield answers
        for _ in range(len(answers)):
            await taken.acquire()
        stopped.set()


async def check_copy(store, answers, before):
    """All that was answered before is there, and the next step gets the very same answer."""
    lines = [line async for line in RunLedger(store).lines("job")]
    assert before <= len(lines) < len(answers)
    assert verify_lines(lines).faults == ()
    again = await AdvantageEngine(store).take(request(len(lines)))
    assert again.body == answers[len(lines)]


async def test_the_append_only_file_may_be_copied_at_any_time(tmp_path):
    """Another Redis that starts on a copy of the folder has the runs."""
    live, copy = tmp_path / "live", tmp_path / "copy"
    live.mkdir()
    servers = [RedisServer(live), RedisServer(copy)]
    try:
        store = await RedisStore.open(servers[0].start().url, retention=RETENTION)
        async with stepping(store) as answers:
            before = len(answers)
            await asyncio.to_thread(shutil.copytree, live, copy)
        await store.close()
        restored = await RedisStore.open(servers[1].start().url, retention=RETENTION)
        await check_copy(restored, answers, before)
        await restored.close()
    finally:
        for server in servers:
            server.kill()


async def test_sqlite_may_be_copied_at_any_time(tmp_path):
    """A copy that SQLite itself makes of its file has the runs."""
    live, copy = tmp_path / "live.db", tmp_path / "copy.db"

    def copy_over():
        with closing(sqlite3.connect(live)) as source, closing(sqlite3.connect(copy)) as target:
            source.backup(target)

    store = await SqliteStore.open(str(live), retention=RETENTION, timeout_s=PATIENCE_S)
    async with stepping(store) as answers:
        before = len(answers)
        await asyncio.to_thread(copy_over)
    await store.close()
    restored = await SqliteStore.open(str(copy), retention=RETENTION)
    await check_copy(restored, answers, before)
    await restored.close()
