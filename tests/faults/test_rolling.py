"""Replicas are replaced one by one behind HAProxy, and no caller notices."""

import subprocess
import sys
import time
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field

import orjson
import pytest

from service.engine.log_check import verify_lines, verify_log
from service.engine.update_line import UpdateLine
from tests.faults.balancer import BACKEND, Balancer
from tests.faults.load import history_of
from tests.faults.replicas import PATIENCE_S, ROOT, Replica
from tests.redis_server import RedisServer

pytestmark = pytest.mark.slow

CALLERS = (("rewards", "a"), ("rewards", "b"), ("advantages", "c"), ("advantages", "d"))
# What the balancer does where a replica has gone without a word: connections refused and broken,
# requests given to the same or to another one again.
TROUBLE = ("econ", "eresp", "wretr", "wredis", "hrsp_5xx")

STARTS_WITHIN_S = 10.0


@pytest.fixture
def rolling(tmp_path):
    """Three replicas on one Redis that drain as they do by default, and HAProxy before them."""
    redis = RedisServer(tmp_path).start()
    settings = {"store": redis.url, "drain_delay_s": None}
    replicas = [Replica(tmp_path, settings).start() for _ in range(3)]
    try:
        for replica in replicas:
            replica.wait()
        with Balancer(tmp_path, replicas) as balancer:
            yield replicas, balancer
    finally:
        for replica in replicas:
            replica.kill()
        redis.kill()


@dataclass
class Told:
    """What callers print: of each call and each step, and how many steps were sent again."""

    rewards: list[dict] = field(default_factory=list)
    steps: list[dict] = field(default_factory=list)
    repeated: int = 0
    lasted_s: float = 0.0

    def read(self, line):
        """Take in one line."""
        told = orjson.loads(line)
        if "repeated" in told:
            self.repeated += told["repeated"]
        else:
            (self.steps if "run" in told else self.rewards).append(told)


def faults_of(calls):
    """What went wrong, of some calls."""
    return [call["fault"] for call in calls if call["fault"] is not None]


@contextmanager
def callers(folder, url, per_s):
    """Two processes that ask for rewards and two that take steps, half the pace each."""
    told, began = Told(), time.monotonic()
    with ExitStack() as stack:
        started = []
        for what, name in CALLERS:
            # Into a file: a pipe that nobody reads would hold them up.
            printed = stack.enter_context((folder / f"{what}-{name}").open("w+b"))
            command = [sys.executable, "-m", "tests.faults.open_loop"]
            caller = subprocess.Popen(
                [*command, what, url, str(per_s / 2), name],
                cwd=ROOT, stdin=subprocess.PIPE, stdout=printed,
            )  # fmt: skip
            stack.callback(caller.wait)
            stack.callback(caller.kill)
            started.append((caller, printed))
        yield told
        told.lasted_s = time.monotonic() - began
        for caller, printed in started:
            caller.communicate(timeout=2 * PATIENCE_S)
            assert caller.returncode == 0
            printed.seek(0)
            for line in printed:
                told.read(line)


def pace_of(calls):
    """How many there were, and how long after their time they were answered."""
    took = sorted(call["s"] for call in calls)
    p50, p99, last = (round(1000 * took[int(share * (len(took) - 1))]) for share in (0.5, 0.99, 1))
    return f"{len(took)} calls, p50 {p50} ms, p99 {p99} ms, slowest {last} ms"


def report(told):
    """Say how it went, to whoever asks pytest for what is printed."""
    for name, calls in (("rewards", told.rewards), ("steps", told.steps)):
        failed = len(faults_of(calls))
        sys.stdout.write(f"{name}: {pace_of(calls)}, {failed} failed\n")


def check_state(replicas, steps):
    """Every step that was answered is in its run's history, once, in order, with these bits."""
    for run in {step["run"] for step in steps}:
        lines = history_of(replicas[0], run)
        assert verify_lines(lines).faults == ()
        folded = [UpdateLine.decode(line) for line in lines]
        assert [(line.step, line.mark.version) for line in folded] == [
            (step, step + 1) for step in range(len(folded))
        ]
        told = [(one["step"], one["version"], one["means"]) for one in steps if one["run"] == run]
        assert sorted(told, key=lambda one: one[0]) == [
            (line.step, line.mark.version, {task: of.mean for task, of in line.after.items()})
            for line in folded
        ]
    for replica in replicas:
        assert verify_log(replica.update_log).faults == ()


@pytest.mark.promise(43)
def test_replicas_replaced_in_turn_fail_no_call(rolling, faults, tmp_path):
    """Told to stop and started anew on the same port, each in its turn, under constant load.

    No call fails, with no caller of rewards sending anything twice. HAProxy finds no replica gone:
    it had looked away before.
    """
    replicas, balancer = rolling
    with callers(tmp_path, balancer.url, faults.calls_per_s) as told:
        for replica in replicas:
            balancer.wait_for_turn(replica)
            assert replica.stop() == 0
            replica.start().wait()
            balancer.wait_for(replica, "UP")
            balancer.wait_for_turn(replica)
    assert faults_of(told.rewards) == faults_of(told.steps) == []
    assert told.repeated == 0
    report(told)
    assert len({step["run"] for step in told.steps}) == 10
    # They called all the while, but for the time that they took to start.
    due = faults.calls_per_s * (told.lasted_s - STARTS_WITHIN_S)
    assert min(len(told.rewards), len(told.steps)) > due
    total = balancer.rows()[BACKEND]
    assert {name: total[name] for name in TROUBLE} == dict.fromkeys(TROUBLE, "0")
    check_state(replicas, told.steps)


@pytest.mark.long
def test_replicas_killed_in_turn_fail_no_step(rolling, faults, tmp_path):
    """Without draining the balancer meets trouble and rewards may fail; steps are still exact."""
    replicas, balancer = rolling
    with callers(tmp_path, balancer.url, faults.calls_per_s) as told:
        for replica in replicas:
            balancer.wait_for_turn(replica)
            replica.kill()
            balancer.wait_for(replica, "DOWN")
            replica.start().wait()
            balancer.wait_for(replica, "UP")
            balancer.wait_for_turn(replica)
    report(told)
    assert faults_of(told.steps) == []
    total = balancer.rows()[BACKEND]
    assert any(total[name] != "0" for name in TROUBLE)
    check_state(replicas, told.steps)
