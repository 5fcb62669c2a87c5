"""What holds of the Redis store alone: its settings, its failures, its keys."""

import asyncio
import socket
import time

import pytest

from service.errors import BadSettings, StateUnavailable
from service.state.offers import Offer
from service.state.records import Head, Mark, Record, StoredAnswer, Write
from service.state.redis.client import REASONS, reason_of
from service.state.redis.store import RedisStore
from tests.faults.proxy import Proxy
from tests.redis_server import DURABLE, PATIENCE_S, RedisServer, free_port

pytestmark = pytest.mark.anyio


@pytest.fixture
def server(tmp_path):
    """A Redis for one test, to be mistreated."""
    running = RedisServer(tmp_path).start()
    yield running
    running.kill()


@pytest.fixture
async def store(server):
    """A store on that Redis."""
    opened = await RedisStore.open(server.url, timeout_s=5)
    yield opened
    await opened.close()


def write_of(version, *, size=0):
    """The write of the step `version`, from the one before."""
    return Write(
        head=Head(Mark(1, version), version, b"x" * size, 0.0, 4e9),
        expected=Mark(1, version - 1) if version > 1 else None,
        record=Record(version, b"record %d" % version),
        answers=[StoredAnswer("f" * 64, b"answer %d" % version)],
    )


async def fails(ask):
    """The reason that the store gives for not answering; it never says where the store is."""
    with pytest.raises(StateUnavailable) as failure:
        await ask
    assert failure.value.retryable
    assert "127.0.0.1" not in str(failure.value)
    return failure.value.detail["reason"]


@pytest.mark.parametrize("url", ["redis://:a/secret@h/0", "redis://:a-secret@h:99999/0"])
async def test_an_address_that_cannot_be_read_is_refused_unseen(url):
    """It may hold a password, so the one line tells how to write it and shows nothing of it."""
    with pytest.raises(BadSettings, match=r"^store: expected redis://") as refusal:
        await RedisStore.open(url)
    assert "secret" not in str(refusal.value)
    assert "\n" not in str(refusal.value)


@pytest.mark.parametrize(
    ("options", "commands"),
    [
        pytest.param(("--appendonly", "no"), "CONFIG SET appendonly yes", id="no-file"),
        pytest.param(("--appendfsync", "everysec"), "CONFIG SET appendfsync always", id="late"),
        pytest.param(
            ("--maxmemory-policy", "allkeys-lru"),
            "CONFIG SET maxmemory-policy noeviction",
            id="evicts",
        ),
    ],
)
@pytest.mark.promise(42)
async def test_a_forgetful_redis_is_refused_with_the_remedy(tmp_path, options, commands):
    """One line says what to run; allowed on purpose, it serves; put right, it serves."""
    server = RedisServer(tmp_path, options=(*DURABLE, *options)).start()
    try:
        with pytest.raises(BadSettings) as refusal:
            await RedisStore.open(server.url)
        assert commands in str(refusal.value)
        assert "\n" not in str(refusal.value)
        await (await RedisStore.open(server.url, allow_unsafe=True)).close()
        assert server.ask(*commands.split()) == "+OK"
        await (await RedisStore.open(server.url)).close()
    finally:
        server.kill()


async def test_a_redis_that_is_not_there_is_named_at_once():
    """Start-up fails in one line, without ten retries."""
    began = time.monotonic()
    with pytest.raises(BadSettings, match="cannot be used"):
        await RedisStore.open(f"redis://127.0.0.1:{free_port()}/0", allow_unsafe=True)
    assert time.monotonic() - began < 5.0


async def test_a_restart_loses_neither_state_nor_script(server, store):
    """Killed and started again, Redis knows the run but not the script; the store goes on."""
    assert await store.write("job", write_of(1))
    server.kill()
    assert await fails(store.read("job", 1, 0)) == "connection"
    server.start()
    assert (await store.read("job", 1, 0)).answer.body == b"answer 1"
    assert await store.write("job", write_of(2))


@pytest.mark.promise(33)
async def test_a_frozen_redis_is_given_up_in_time(server):
    """Every call ends at the timeout, also those that wait for a connection."""
    hasty = await RedisStore.open(server.url, timeout_s=2)
    server.freeze()
    began = time.monotonic()
    asks = [fails(hasty.read("job", 0, 0)) for _ in range(200)]
    assert set(await asyncio.gather(*asks)) == {"timeout"}
    assert time.monotonic() - began < 10
    server.thaw()
    assert (await hasty.read("job", 0, 0)).head is None
    await hasty.close()


@pytest.mark.promise(14)
async def test_a_call_that_is_cancelled_spoils_no_later_one(store):
    """Answers belong to their own questions, whoever stopped waiting for his."""
    for name in ("one", "two"):
        write = write_of(1)
        await store.write(name, write)
    for _ in range(100):
        asks = [asyncio.create_task(store.read("one", 1, 0)) for _ in range(4)]
        await asyncio.sleep(0)
        asks[0].cancel()
        await asyncio.sleep(0.0003)
        asks[1].cancel()
        reading, *_ = await asyncio.gather(store.read("nobody", 1, 0), *asks[2:])
        assert reading.head is None


@pytest.mark.promise(34)
async def test_a_full_redis_refuses_and_changes_nothing(server, store):
    """Out of memory: the write is refused whole, and reading goes on."""
    await store.write("job", write_of(1))
    assert server.ask("CONFIG", "SET", "maxmemory", "1mb") == "+OK"
    assert await fails(store.write("job", write_of(2, size=2_000_000))) == "out_of_memory"
    assert (await store.read("job", 2, 0)).head.mark.version == 1
    server.ask("CONFIG", "SET", "maxmemory", "0")
    assert await store.write("job", write_of(2))


async def test_a_replica_is_not_written_to(server, store, tmp_path):
    """After a fail-over the old master says READONLY; the store says that it is away."""
    (tmp_path / "other").mkdir()
    other = RedisServer(tmp_path / "other").start()
    try:
        await store.write("job", write_of(1))
        server.ask("REPLICAOF", "127.0.0.1", str(other.port))
        assert await fails(store.write("job", write_of(2))) in {"read_only", "fail_over"}
        server.ask("REPLICAOF", "NO", "ONE")
    finally:
        other.kill()


def offset(server, role):
    """How much of what was written a master has sent, or a replica has applied."""
    told = server.ask_all("INFO", "replication")
    return told.partition(f"{role}_repl_offset:")[2].partition("\r\n")[0]


async def test_a_fail_over_is_followed(server, tmp_path):
    """Behind one address the replica takes over: what it had is there, and the store goes on."""
    (tmp_path / "other").mkdir()
    other = RedisServer(tmp_path / "other").start()
    try:
        with Proxy(server.port) as address:
            store = await RedisStore.open(f"redis://127.0.0.1:{address.port}/0", timeout_s=5)
            assert await store.write("job", write_of(1))
            other.ask("REPLICAOF", "127.0.0.1", str(server.port))
            other.wait_for("master_link_status:up", "INFO", "replication")
            assert await store.write("job", write_of(2))
            limit = time.monotonic() + PATIENCE_S
            while not (sent := offset(server, "master")) or offset(other, "slave") != sent:
                assert time.monotonic() < limit
                await asyncio.sleep(0.01)
            server.kill()
            assert await fails(store.read("job", 2, 0)) == "connection"
            other.ask("REPLICAOF", "NO", "ONE")
            address.target = other.port
            assert (await store.read("job", 2, 0)).answer.body == b"answer 2"
            assert await store.write("job", write_of(3))
            await store.close()
    finally:
        other.kill()


@pytest.mark.promise(34)
async def test_a_wrong_password_is_no_crash(server, store):
    """A password set behind the store's back is answered as a store that is away."""
    await store.write("job", write_of(1))
    server.ask("CONFIG", "SET", "requirepass", "secret")
    await store._client.connection_pool.disconnect()
    assert await fails(store.read("job", 1, 0)) == "authentication"


async def test_too_many_clients_is_no_crash(server, store):
    """A Redis without room for a connection is away."""
    with socket.create_connection(("127.0.0.1", server.port)) as hog:
        for command, answer in ((b"PING", b"+PONG"), (b"CONFIG SET maxclients 1", b"+OK")):
            hog.sendall(command + b"\r\n")
            assert hog.recv(100) == answer + b"\r\n"
        await store._client.connection_pool.disconnect()
        assert await fails(store.read("job", 1, 0)) in {"too_many_clients", "connection"}


@pytest.mark.promise(41)
async def test_a_run_of_another_schema_is_left_alone(server, store):
    """Neither read nor written by a release that does not know it."""
    await store.write("job", write_of(1))
    server.ask("HSET", "rewards:{job}:head", "schema", "2")
    assert await fails(store.read("job", 1, 0)) == "other_schema"
    assert await fails(store.write("job", write_of(2))) == "other_schema"
    offer = Offer(step=3, terms=b"t", entries={})
    assert await fails(store.gather("job", offer)) == "other_schema"


@pytest.mark.promise(40)
async def test_a_cluster_keeps_a_run_on_one_node(tmp_path):
    """Every key of a run shares a slot: a node in cluster mode takes every command."""
    options = (*DURABLE, "--cluster-enabled", "yes", "--cluster-config-file", "nodes.conf")
    server = RedisServer(tmp_path, options=options).start()
    try:
        for slot in range(0, 16384, 2048):
            server.ask("CLUSTER", "ADDSLOTS", *map(str, range(slot, slot + 2048)))
        server.wait_for("cluster_state:ok", "CLUSTER", "INFO")
        store = await RedisStore.open(server.url)
        await store.gather("job", Offer(step=2, terms=b"t", entries={"0": b"part"}))
        assert await store.write("job", write_of(1))
        assert (await store.read("job", 1, 0)).answer is not None
        back = Write(head=Head(Mark(2, 0), -1, b"", 0.0, 4e9), expected=Mark(1, 1), forget_after=-1)
        assert await store.write("job", back)
        assert await store.delete("job")
        await store.close()
    finally:
        server.kill()


@pytest.mark.promise(34)
async def test_every_reason_is_found_by_its_word():
    """No word hides another: each message is called by its own reason."""
    for word, reason in REASONS.items():
        assert reason_of(RuntimeError(f"{word} something")) == reason
