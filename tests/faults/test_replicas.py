"""Replicas are killed, copied to and cut off, and every step still counts once."""

import random
from concurrent.futures import ThreadPoolExecutor

import orjson
import pytest

from service.engine.log_check import verify_log
from tests.faults.load import Load, body_of, prove
from tests.faults.proxy import Proxy
from tests.faults.replicas import Replica
from trainer_client.client import RewardClient
from trainer_client.config import ClientConfig

pytestmark = pytest.mark.slow


@pytest.mark.promise(31)
@pytest.mark.promise(37)
def test_replicas_killed_under_load_lose_nothing_and_repeat_nothing(replicas, faults):
    """Acknowledged ≤ applied ≤ acknowledged + in flight, versions contiguous, logs whole."""
    source = random.Random(3)
    with Load([replica.url for replica in replicas], "killed") as load:
        for _ in range(faults.kills):
            load.wait_for_more(faults.steps_between)
            victim = source.choice(replicas)
            victim.kill()
            victim.start()
        for replica in replicas:
            replica.wait()
        load.wait_for_more(faults.steps_between)
    assert any(caller.failed for caller in load.callers)
    for caller in load.callers:
        prove(replicas[0], caller)
    for replica in replicas:
        assert verify_log(replica.update_log).faults == ()


@pytest.mark.promise(35)
def test_copies_of_one_request_are_applied_once(replicas):
    """A hundred at once over three replicas: one is folded, and all get the same bytes."""
    body = body_of("copies", 0)

    def send(number):
        return replicas[number % 3].send("POST", "/advantage", body=body)

    with ThreadPoolExecutor(20) as pool:
        answers = list(pool.map(send, range(100)))
    assert {answer.status for answer in answers} == {200}
    assert len({answer.data.replace(b"true}", b"false}") for answer in answers}) == 1
    first = [answer for answer in answers if "idempotent-replayed" not in answer.headers]
    assert len(first) == 1
    run = replicas[0].send("GET", "/runs/copies").json()
    assert run["state_version"] == 1


def test_shards_meet_across_replicas(replicas):
    """Three ranks, each at a replica of its own: one update over the whole batch."""
    whole = orjson.loads(body_of("whole", 0))
    expected = replicas[0].send("POST", "/advantage", body=orjson.dumps(whole)).json()

    def send(rank):
        shard = {"run": "shards", "step": 0, "shard": {"index": rank, "count": 3}}
        columns = {name: whole[name][rank::3] for name in ("rewards", "groups", "tasks")}
        return replicas[rank].send("POST", "/advantage", body=orjson.dumps(shard | columns)).json()

    with ThreadPoolExecutor(3) as pool:
        answers = list(pool.map(send, range(3)))
    for rank, answer in enumerate(answers):
        assert answer["advantages"] == expected["advantages"][rank::3]
        assert answer["tasks"] == expected["tasks"]
        assert answer["state_version"] == 1


@pytest.mark.promise(36)
def test_lost_answers_and_a_client_that_retries_apply_every_step_once(replicas):
    """Three answers in ten are cut off; the final version is the number of steps."""
    steps = 40
    with Proxy(replicas[0].port, drop=0.3) as proxy:
        config = ClientConfig(url=f"http://127.0.0.1:{proxy.port}", first_pause_s=0.01)
        with RewardClient(config) as client:
            replayed = 0
            for step in range(steps):
                asked = orjson.loads(body_of("dropped", step))
                answer = client.advantage(**asked)
                replayed += answer.replayed
                assert answer.state_version == step + 1
    assert replayed > 0
    run = replicas[1].send("GET", "/runs/dropped").json()
    assert (run["state_version"], run["step"]) == (steps, steps - 1)


def test_a_killed_service_goes_on_from_its_file(tmp_path):
    """On SQLite: what was acknowledged before the kill is there, and the next step follows."""
    replica = Replica(tmp_path, {"store": f"sqlite:{tmp_path / 'runs.db'}"}).start().wait()
    try:
        with Load([replica.url], "embedded", patient=1, careless=1) as load:
            load.wait_for_more(20)
            replica.kill()
            replica.start().wait()
            load.wait_for_more(20)
        for caller in load.callers:
            prove(replica, caller)
        assert replica.stop() == 0
        assert verify_log(replica.update_log).faults == ()
    finally:
        replica.kill()
