"""Three replicas on one Redis, all of them real processes.

With `FAULTS=long` in the environment the tests are as long as they are meant to be; without it
they are as long as they have to be.
"""

import os
from dataclasses import dataclass

import pytest

from tests.faults.replicas import Replica
from tests.redis_server import RedisServer


@dataclass(frozen=True)
class Faults:
    """How often and how long to be cruel, and how exact to be about time.

    `late_s` is what an answer may be late by, `back_s` how soon the service must be back,
    `kept_share` how much of its pace scoring must keep, `calls_per_s` how often each kind of caller
    asks while replicas are replaced, `overload_s` how long too much is asked for, `leaving` how
    many callers leave before they are answered, `garbled` how many send what is hardly HTTP,
    `start_s` how soon a start must fail, `slower` and `slack_s` how much longer others may wait for
    their answers while somebody does harm. Where other work shares the processors only a lax clock
    tells the truth.
    """

    kills: int = 3
    steps_between: int = 20
    redis_kills: int = 2
    freeze_s: float = 1.5
    late_s: float = 2.0
    back_s: float = 10.0
    kept_share: float = 0.7
    calls_per_s: float = 20.0
    overload_s: float = 5.0
    leaving: int = 1000
    start_s: float = 30.0
    garbled: int = 600
    slower: float = 10.0
    slack_s: float = 2.0

    def bound_s(self, calm_s: float) -> float:
        """The longest p99 that a harmless caller may see who saw `calm_s` before."""
        return self.slower * calm_s + self.slack_s


@pytest.fixture(scope="session")
def faults():
    """What this session is to bear."""
    if os.environ.get("FAULTS") == "long":
        return Faults(
            50, 40, 10, freeze_s=5.0, late_s=0.2, back_s=2.0, kept_share=0.95, calls_per_s=50.0,
            overload_s=60.0, leaving=10_000, start_s=5.0, garbled=20_000, slower=1.5,
            slack_s=0.025,
        )  # fmt: skip
    return Faults()


@pytest.fixture(scope="session")
def redis(tmp_path_factory):
    """The Redis that the replicas share."""
    server = RedisServer(tmp_path_factory.mktemp("redis")).start()
    yield server
    server.kill()


@pytest.fixture(scope="session")
def started(redis, tmp_path_factory):
    """Three replicas."""
    folder = tmp_path_factory.mktemp("replicas")
    settings = {"store": redis.url, "store_timeout_s": "5.0"}
    replicas = [Replica(folder, settings).start() for _ in range(3)]
    for replica in replicas:
        replica.wait()
    yield replicas
    for replica in replicas:
        replica.kill()


@pytest.fixture
def replicas(started):
    """Three replicas, all of which serve."""
    for replica in started:
        if replica.process is None:
            replica.start()
    return [replica.wait() for replica in started]
