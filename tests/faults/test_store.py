"""The store is killed, frozen and cut off: what was acknowledged stays, nothing is made up."""

import threading
import time
from concurrent.futures import ThreadPoolExecutor

import orjson
import pytest
import urllib3

from tests.faults.load import Load, body_of, prove
from tests.faults.proxy import Proxy
from tests.faults.replicas import Replica

pytestmark = pytest.mark.slow

TIMEOUT_S = 0.5
REWARD = orjson.dumps(
    {
        "items": [
            {
                "kind": "temporal_grounding",
                "response": '<think>t</think><answer>{"time": [1, 3]}</answer>',
                "ground_truth": '{"time": [2, 4]}',
            }
        ]
        * 8
    }
)


@pytest.mark.promise(32)
def test_a_killed_redis_loses_no_acknowledged_step(replicas, redis, faults):
    """Killed under load and started again: every acknowledged step is there, once.

    The replicas go on by themselves, and soon.
    """
    with Load([replica.url for replica in replicas], "store-killed") as load:
        for _ in range(faults.redis_kills):
            load.wait_for_more(faults.steps_between)
            redis.kill()
            time.sleep(0.1)
            redis.start()
            back = time.monotonic()
            load.wait_for_more(1)
            assert time.monotonic() - back <= faults.back_s
        load.wait_for_more(faults.steps_between)
    assert set().union(*(caller.statuses for caller in load.callers)) == {200, 503}
    for caller in load.callers:
        prove(replicas[0], caller)


class SteadyRewards(threading.Thread):
    """Asks for rewards at a steady pace, and tells how many were given."""

    per_s = 25.0

    def __init__(self, url):
        super().__init__(daemon=True)
        self.url, self.pause_s = url, 1 / self.per_s
        self.stopped = threading.Event()
        self.given = 0

    def __enter__(self):
        self.start()
        return self

    def __exit__(self, *_):
        self.stopped.set()
        self.join()

    def run(self):
        """Ask until told to stop."""
        with urllib3.PoolManager(retries=False) as http:
            due = time.monotonic()
            while not self.stopped.wait(max(0.0, due - time.monotonic())):
                answer = http.request("POST", f"{self.url}/reward", body=REWARD, timeout=10)
                self.given += answer.status == 200
                due += self.pause_s

    def pace(self, seconds):
        """How many are given a second, from now on for some seconds.

        More than `per_s` where it catches up with what a stall kept it from.
        """
        began, given = time.monotonic(), self.given
        time.sleep(seconds)
        return (self.given - given) / (time.monotonic() - began)


@pytest.fixture
def cut_off(redis, tmp_path):
    """A replica whose only way to Redis is a proxy."""
    with Proxy(redis.port) as proxy:
        settings = {
            "store": f"redis://127.0.0.1:{proxy.port}/0",
            "store_timeout_s": str(TIMEOUT_S),
        }
        replica = Replica(tmp_path, settings).start().wait()
        yield replica, proxy
        replica.kill()


def freeze(redis, _):
    """Redis stands still."""
    redis.freeze()
    return redis.thaw


def hold(_, proxy):
    """The network swallows everything."""
    proxy.holding = True

    def release():
        proxy.holding = False

    return release


def reset(_, proxy):
    """The network resets everything."""
    proxy.resetting = True
    proxy.cut()

    def release():
        proxy.resetting = False

    return release


@pytest.mark.promise(33)
def test_without_its_store_the_service_says_so_and_goes_on_scoring(cut_off, redis, faults):
    """Frozen, black-holed, reset: steps are answered 503 in time, rewards as before.

    Nothing is folded meanwhile, and the step that was refused is taken once the store is back.
    """
    replica, proxy = cut_off
    run = f"away-{replica.port}"
    with SteadyRewards(replica.url) as rewards:
        for place, trouble in enumerate((freeze, hold, reset)):
            take_at_last(replica, run, 2 * place, faults)
            before = min(rewards.pace(faults.freeze_s), rewards.per_s)
            release = trouble(redis, proxy)
            try:
                with ThreadPoolExecutor(1) as pool:
                    during = pool.submit(rewards.pace, faults.freeze_s)
                    while not during.done():
                        check_refusal(replica, body_of(run, 2 * place + 1), faults)
            finally:
                release()
            assert during.result() >= faults.kept_share * before
            answer = take_at_last(replica, run, 2 * place + 1, faults)
            assert answer["state_version"] == 2 * place + 2


def take(replica, run, step):
    """Send a step once."""
    return replica.send("POST", "/advantage", body=body_of(run, step))


def check_refusal(replica, body, faults):
    """One step without the store: refused in time, to be sent again."""
    asked = time.monotonic()
    refusal = replica.send("POST", "/advantage", body=body)
    assert time.monotonic() - asked <= TIMEOUT_S + faults.late_s
    assert (refusal.status, refusal.json()["code"]) == (503, "state_unavailable")
    assert int(refusal.headers["retry-after"]) >= 1
    time.sleep(0.05)


def take_at_last(replica, run, step, faults):
    """The answer to a step once the store is back."""
    limit = time.monotonic() + faults.back_s
    while (answer := take(replica, run, step)).status != 200:
        assert answer.status == 503
        assert time.monotonic() < limit
        time.sleep(0.05)
    return answer.json()
