"""Ray's own actors, several at once, with clients that travel to them and back."""

import os

import pytest
import ray

from trainer_client.aio import AsyncRewardClient
from trainer_client.client import RewardClient

ITEMS = [
    {
        "kind": "ocr",
        "group": "p",
        "ground_truth": "a b c",
        "response": f"<think></think><answer>{answer}</answer>",
    }
    for answer in ("a b c", "a b", "")
]
ACTORS = 3


@pytest.fixture(scope="module", autouse=True)
def cluster():
    """A cluster of its own, whatever else runs on the machine."""
    ray.init("local", num_cpus=ACTORS, include_dashboard=False, log_to_driver=False)
    yield
    ray.shutdown()


@ray.remote
class Worker:
    """An actor that is given a client, or makes its own."""

    def __init__(self, client):
        self.client = client or RewardClient()

    def score(self):
        """The rewards of the items, asked for twice over one connection."""
        self.client.reward(ITEMS)
        return self.client.reward(ITEMS).rewards

    def lend(self):
        """Hand the client on, used as it is."""
        return self.client


@ray.remote
class Loop:
    """An asynchronous actor, whose methods overlap in one event loop."""

    def __init__(self):
        self.client = AsyncRewardClient()

    async def score(self):
        """The rewards of the items."""
        return (await self.client.reward(ITEMS)).rewards


@pytest.fixture
def expected():
    """The rewards as this process gets them."""
    return RewardClient().reward(ITEMS).rewards


@pytest.mark.parametrize("given", [True, False], ids=["travelled", "its-own"])
def test_actors_score_side_by_side(given, expected):
    """Each gets the rewards that its driver gets, with a client of either origin."""
    client = RewardClient(os.environ["REWARD_SERVICE_URL"])
    client.reward(ITEMS)
    workers = [Worker.remote(client if given else None) for _ in range(ACTORS)]
    assert ray.get([worker.score.remote() for worker in workers]) == [expected] * ACTORS


def test_a_client_travels_back_from_an_actor(expected):
    """One that was used in an actor works in the driver."""
    worker = Worker.remote(None)
    ray.get(worker.score.remote())
    assert ray.get(worker.lend.remote()).reward(ITEMS).rewards == expected


def test_an_asynchronous_actor_overlaps_its_calls(expected):
    """Sixteen calls at once in the event loop of one actor."""
    actor = Loop.remote()
    assert ray.get([actor.score.remote() for _ in range(16)]) == [expected] * 16
