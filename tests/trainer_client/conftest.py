"""What the tests of the client share."""

import asyncio

import pytest

from tests.trainer_client.scripted import ScriptedServer
from trainer_client.aio import AsyncRewardClient, shared_async_client
from trainer_client.client import RewardClient, shared_client
from trainer_client.config import ClientConfig


@pytest.fixture
def server():
    """A service that answers honestly unless a test writes it a script."""
    with ScriptedServer() as running:
        yield running


@pytest.fixture
def config(server):
    """Settings for that service, with short pauses."""
    return ClientConfig(
        url=server.url, budget_s=10, attempt_s=5, first_pause_s=0.005, longest_pause_s=0.02
    )


@pytest.fixture
def environment(server, monkeypatch):
    """The variables that lead adapters to that service; more can be set by name."""
    for shared in (shared_client, shared_async_client):
        shared.cache_clear()
    monkeypatch.setenv("REWARD_SERVICE_URL", server.url)

    def add(**variables):
        for name, value in variables.items():
            monkeypatch.setenv(f"REWARD_SERVICE_{name.upper()}", value)

    yield add
    shared_client(None).close()


class Blocking:
    """The asynchronous client behind the synchronous one's methods: a new event loop a call."""

    def __init__(self, where):
        self.inner = AsyncRewardClient(where)

    def __getattr__(self, name):
        def call(*args, **options):
            return asyncio.run(getattr(self.inner, name)(*args, **options))

        return call


@pytest.fixture(params=[RewardClient, Blocking], ids=["sync", "async"])
def client_class(request):
    """Either client: what one does, the other does."""
    return request.param


@pytest.fixture
def client(client_class, config):
    """Either client, connected to the scripted service."""
    return client_class(config)


def rollouts(count, **fields):
    """Items whose reward, on the scripted service, is their position."""
    return [
        {"kind": "math", "response": "x" * n, "ground_truth": "4"} | fields for n in range(count)
    ]
