"""What a run takes, in the terms that operators plan with."""

import random

import pytest

from rewards.advantages.rollouts import Rollouts
from rewards.specs import ONETHINKER_RELEASED
from service.engine.advantages import AdvantageEngine
from service.engine.steps import StepRequest
from service.state.records import Retention
from service.state.redis.store import RedisStore
from service.state.sqlite.store import SqliteStore
from tests.redis_server import RedisServer

pytestmark = pytest.mark.anyio

STEPS, TASKS = 200, 50
KEPT_STEPS, MEGABYTE = 10_000, 1e6
FEW_ANSWERS = Retention(record_steps=KEPT_STEPS, answer_steps=1)


def step_of_fifty_tasks(step):
    """Eight rewards for each of fifty tasks."""
    source = random.Random(step)
    tasks = [f"spatial_temporal_grounding_{i // 8:02}" for i in range(8 * TASKS)]
    rewards = [source.gauss(0.7, 0.4) for _ in tasks]
    rollouts = Rollouts(rewards, [f"p{i // 8}" for i in range(8 * TASKS)], tasks)
    return StepRequest(run="job", step=step, spec=ONETHINKER_RELEASED, rollouts=rollouts)


async def take_steps(store):
    """Take the steps."""
    engine = AdvantageEngine(store)
    for step in range(STEPS):
        await engine.take(step_of_fifty_tasks(step))


async def test_sqlite_keeps_ten_thousand_steps_of_fifty_tasks_in_200_megabytes(tmp_path):
    """By the size of the file after two hundred."""
    path = tmp_path / "runs.db"
    store = await SqliteStore.open(str(path), retention=FEW_ANSWERS)
    await take_steps(store)
    await store.close()
    assert path.stat().st_size / STEPS * KEPT_STEPS < 200 * MEGABYTE


async def test_redis_keeps_ten_thousand_steps_of_fifty_tasks_in_200_megabytes(tmp_path):
    """By the memory it reports to use after two hundred, beyond what it used before."""
    server = RedisServer(tmp_path, options=("--save", "")).start()

    def used():
        return int(server.ask_all("INFO", "memory").split("used_memory:")[1].split("\r\n")[0])

    try:
        store = await RedisStore.open(server.url, retention=FEW_ANSWERS, allow_unsafe=True)
        await store.ping()
        before = used()
        await take_steps(store)
        assert (used() - before) / STEPS * KEPT_STEPS < 200 * MEGABYTE
        await store.close()
    finally:
        server.kill()
