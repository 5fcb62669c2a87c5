"""Every run store there is, each in its own corner."""

import pytest

from service.state.memory import MemoryStore
from service.state.records import Retention
from service.state.redis.store import RedisStore
from service.state.sqlite.store import SqliteStore
from tests.redis_server import RedisServer

SMALL = Retention(record_steps=6, answer_steps=3, expire_s=3600.0)


@pytest.fixture(scope="session")
def anyio_backend():
    """Asynchronous tests run on asyncio."""
    return "asyncio"


@pytest.fixture(scope="session")
def redis_server(tmp_path_factory):
    """One durable Redis for the whole session."""
    server = RedisServer(tmp_path_factory.mktemp("redis")).start()
    yield server
    server.kill()


@pytest.fixture(params=["memory", "sqlite", "redis"])
def open_store(request, tmp_path):
    """A function that opens the same store, again and again where it is durable."""
    shared = MemoryStore(SMALL)

    async def memory(retention=SMALL):
        shared._retention = retention
        return shared

    async def sqlite(retention=SMALL):
        return await SqliteStore.open(str(tmp_path / "runs.db"), retention=retention)

    async def redis(retention=SMALL):
        server = request.getfixturevalue("redis_server")
        return await RedisStore.open(server.url, retention=retention)

    if request.param == "redis":
        assert request.getfixturevalue("redis_server").ask("FLUSHALL") == "+OK"
    return {"memory": memory, "sqlite": sqlite, "redis": redis}[request.param]


@pytest.fixture
async def store(open_store):
    """An empty store."""
    opened = await open_store()
    yield opened
    await opened.close()
