"""Where the clients work: threads, forked and spawned processes, event loops that come and go."""

import asyncio
import gc
import pickle
import subprocess
import sys
import textwrap
import threading
from concurrent.futures import ProcessPoolExecutor, ThreadPoolExecutor
from multiprocessing import get_context

import pytest

from tests.trainer_client.conftest import rollouts
from trainer_client.aio import AsyncRewardClient
from trainer_client.client import RewardClient

EXPECTED = [0.0, 1.0, 2.0]


def score(client):
    """Three rewards, as any process computes them."""
    return client.reward(rollouts(3)).rewards


@pytest.mark.promise(55)
def test_threads_share_one_client(config):
    """Sixteen threads get their own answers from one client."""
    client = RewardClient(config)
    with ThreadPoolExecutor(16) as pool:
        sizes = [n % 7 + 1 for n in range(64)]
        answers = pool.map(lambda n: client.reward(rollouts(n)).rewards, sizes)
        assert [len(answer) for answer in answers] == sizes


def test_connections_are_kept_between_calls(server, config):
    """Ten calls after each other need one connection."""
    client = RewardClient(config)
    for _ in range(10):
        score(client)
    assert server.connections == 1


def test_a_connection_that_the_service_closed_costs_no_answer(server, config):
    """An idle connection that went away is replaced."""
    client = RewardClient(config)
    score(client)
    for connection in list(server.open):
        connection.shutdown(2)
    assert score(client) == EXPECTED


@pytest.mark.promise(55)
def test_a_forked_child_does_not_share_its_parents_sockets(server):
    """Parent and children use one client at once, and each opens its own connections."""
    program = f"""
        import os
        from trainer_client.client import RewardClient
        client = RewardClient({server.url!r})
        items = [{{"kind": "math", "response": "x" * n, "ground_truth": "4"}} for n in range(3)]
        client.reward(items)
        children = []
        for _ in range(4):
            child = os.fork()
            if not child:
                right = all(client.reward(items).rewards == [0, 1, 2] for _ in range(20))
                os._exit(0 if right else 1)
            children.append(child)
        assert all(client.reward(items).rewards == [0, 1, 2] for _ in range(20))
        assert all(os.waitpid(child, 0)[1] == 0 for child in children)
    """
    subprocess.run([sys.executable, "-c", textwrap.dedent(program)], check=True, timeout=60)
    assert server.connections == 5


@pytest.mark.parametrize("client_type", [RewardClient, AsyncRewardClient])
def test_a_client_pickles_as_its_settings(client_type, config):
    """What travels is where the service is, not a connection."""
    copy = pickle.loads(pickle.dumps(client_type(config)))  # noqa: S301 - our own bytes
    assert copy.config == config


def test_a_used_client_works_in_a_spawned_process(config):
    """A framework may pickle a reward function that has been called before."""
    client = RewardClient(config)
    score(client)
    with ProcessPoolExecutor(1, mp_context=get_context("spawn")) as pool:
        assert pool.submit(score, client).result() == EXPECTED


def test_a_closed_client_opens_again(config):
    """Closing frees connections; it does not end the client."""
    with RewardClient(config) as client:
        score(client)
    assert score(client) == EXPECTED


def test_an_async_client_outlives_its_event_loops(config):
    """A new loop for every call, as some frameworks have it, leaves nothing open behind."""
    client = AsyncRewardClient(config)
    for _ in range(3):
        assert asyncio.run(client.reward(rollouts(3))).rewards == EXPECTED
    gc.collect()  # an open session would warn here, and warnings are errors


def test_an_async_client_serves_loops_in_several_threads(config):
    """Each thread runs its own loop over the one client."""
    client = AsyncRewardClient(config)
    with ThreadPoolExecutor(4) as pool:
        answers = pool.map(lambda _: asyncio.run(client.reward(rollouts(3))).rewards, range(8))
        assert list(answers) == [EXPECTED] * 8


def test_overlapping_async_calls_share_connections(server, config):
    """Calls that follow each other while others run do not reconnect each time."""

    async def work(client):
        for _ in range(10):
            await client.reward(rollouts(3))

    async def main():
        client = AsyncRewardClient(config)
        await asyncio.gather(*[work(client) for _ in range(3)])

    asyncio.run(main())
    assert server.connections < 10


def test_an_async_client_in_a_with_block_keeps_its_connection(server, config):
    """Between the calls of one block nothing is closed; after it, everything is."""

    async def main():
        async with AsyncRewardClient(config) as client:
            for _ in range(5):
                await client.reward(rollouts(3))

    asyncio.run(main())
    assert server.connections == 1


def test_a_cancelled_async_call_stops_its_requests(server, config):
    """A trainer that gives up leaves no task behind."""
    server.limits["items"] = 1
    begun, release = threading.Barrier(4), threading.Event()

    def hold(_):
        begun.wait(5)
        release.wait(5)

    async def main():
        call = asyncio.create_task(AsyncRewardClient(config).reward(rollouts(3)))
        await asyncio.to_thread(begun.wait, 5)
        call.cancel()
        with pytest.raises(asyncio.CancelledError):
            await call
        return len(asyncio.all_tasks())

    server.play(hold, hold, hold)
    assert asyncio.run(main()) == 1
    release.set()
