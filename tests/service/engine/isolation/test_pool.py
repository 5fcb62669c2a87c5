"""Tests for `service.engine.isolation.pool`, with real processes, really killed."""

import asyncio
import os
import signal
import time
from contextlib import asynccontextmanager
from pathlib import Path

import psutil
import pytest

from rewards.errors import BadTruth, OutOfTime, ScorerFailed
from rewards.score import Score
from rewards.specs import Spec
from service.engine.isolation.cases import Case, IsolationLimits
from service.engine.isolation.pool import IsolatedPool

# Patient: on a busy machine a worker may wait long for its half second.
LIMITS = IsolationLimits(workers=2, cpu_s=0.5, patience=120, memory_bytes=1 << 30)
TOWER = "9**9**9**9"
GOOD = Case("math", None, "1.5", r"\frac{3}{2}")
POISON = [
    TOWER,
    "$9^{9^{9^{9}}}$",
    r"\frac{1}{0}",
    r"\sqrt{" * 5000,
    "7" * 100_000,
    "factorial(10**9)",
    "10**10**10",
    "$(x+y+z)^{2000}$",
    "__import__('os').system('touch pwned')",
    "[" * 100_000,
]


@asynccontextmanager
async def running(limits=LIMITS):
    """A started pool and the list of reasons why its workers were killed."""
    kills = []
    pool = IsolatedPool(limits, kills.append)
    pool.others = set(children(os.getpid()))
    await pool.start()
    try:
        yield pool, kills
    finally:
        await pool.close()


def judge(cases, *, limits=LIMITS, deadline_s=None):
    """The outcomes of `cases` in a pool of their own, and why workers were killed."""

    async def run():
        async with running(limits) as (pool, kills):
            deadline = None if deadline_s is None else time.monotonic() + deadline_s
            return await pool.judge(cases, Spec(), deadline=deadline), kills

    return asyncio.run(run())


def test_a_rule_that_breaks_costs_no_worker():
    """What no text can bring about: the case has no number, and its worker goes on."""
    outcomes, kills = judge([GOOD, Case("multiple_choice", None, None, "B"), GOOD])
    assert isinstance(outcomes[1], ScorerFailed)
    assert [outcomes[0].value, outcomes[2].value] == [1.0, 1.0]
    assert kills == []


def children(pid):
    """The processes that `pid` has started, and theirs."""
    mine = [int(c) for c in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]
    return mine + [grandchild for child in mine for grandchild in children(child)]


def environment_of(pid):
    """What the system shows of the environment that a process was started with."""
    return Path(f"/proc/{pid}/environ").read_bytes()


def processes(pool):
    """What a pool has started: its template, then its workers."""
    return [pid for pid in children(os.getpid()) if pid not in pool.others]


@pytest.mark.promise(16)
def test_poison_costs_its_own_item_only(tmp_path, monkeypatch):
    """Every neighbour of every poisoned answer is judged right, and nothing is executed."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("PYTHONPATH", os.pathsep.join(["/nowhere", str(Path(__file__).parents[4])]))
    cases = [
        case
        for answer in POISON
        for kind in ("math", "multiple_choice")
        for case in (Case(kind, None, answer, "42"), GOOD)
    ]
    outcomes, kills = judge(cases)
    assert outcomes[1::2] == [Score(1.0)] * len(POISON) * 2
    assert all(isinstance(outcome, Score) and outcome.value == 0.0 for outcome in outcomes[::2])
    assert set(kills) == {"timeout"}
    assert not (tmp_path / "pwned").exists()


def test_an_answer_that_takes_too_long_says_so():
    """The verdict is a miss with a reason: excluding the item would reward the trick."""
    outcomes, _ = judge([Case("math", None, TOWER, "42")])
    assert outcomes[0].reason == "it took more than 0.5 s of processor time to evaluate the answer"


def test_a_truth_that_takes_too_long_is_the_datasets_fault():
    """When even 0 cannot be compared with the truth, no answer is to blame."""
    outcomes, kills = judge([Case("math", None, "42", "$9^{9^{9^{9}}}$"), GOOD])
    assert isinstance(outcomes[0], BadTruth)
    assert outcomes[1] == Score(1.0)
    assert kills == ["timeout", "timeout"]


@pytest.mark.promise(19)
def test_memory_is_bounded():
    """An answer that wants more memory than a worker may have misses; the worker goes on."""
    limits = IsolationLimits(workers=1, cpu_s=20.0, memory_bytes=512 << 20)
    lists = '{"boxes": [' + "[]," * 6_000_000 + "0]}"
    case = Case("spatial_grounding", None, lists, '{"boxes": [0, 0, 1, 1]}')
    outcomes, kills = judge([case, GOOD], limits=limits)
    assert outcomes[0].reason == "it took more memory than is allowed to evaluate the answer"
    assert outcomes[1] == Score(1.0)
    assert kills == []


@pytest.mark.promise(19)
def test_a_truth_that_takes_all_memory_is_the_datasets_fault():
    """No answer is to blame, and none is scored 0 for it."""
    limits = IsolationLimits(workers=1, cpu_s=20.0, memory_bytes=512 << 20)
    lists = '{"boxes": [' + "[]," * 6_000_000 + "0]}"
    case = Case("spatial_grounding", None, '{"boxes": [0, 0, 1, 1]}', lists)
    outcomes, kills = judge([case, GOOD], limits=limits)
    assert isinstance(outcomes[0], BadTruth)
    assert str(outcomes[0]) == "it took more memory than is allowed to read the ground truth"
    assert outcomes[1] == Score(1.0)
    assert kills == []


async def another(pool, worker):
    """The only worker, once it is there and is not `worker`."""
    async with asyncio.timeout(60):
        while True:
            match processes(pool):
                case [_, successor] if successor != worker:
                    return successor
            await asyncio.sleep(0.01)


@pytest.mark.promise(18)
def test_a_killed_worker_is_replaced_and_its_case_judged_again():
    """A worker lost from outside costs nobody anything."""

    async def run():
        async with running(IsolationLimits(workers=1, cpu_s=2.0, patience=30)) as (pool, kills):
            slow = asyncio.create_task(pool.judge([Case("math", None, TOWER, "42")], Spec()))
            worker = await another(pool, None)
            await asyncio.sleep(0.5)
            os.kill(worker, signal.SIGKILL)
            successor = await another(pool, worker)
            outcome = await pool.judge([GOOD], Spec(), deadline=time.monotonic() + 60)
            await slow
            return worker, successor, outcome, kills

    worker, successor, outcome, kills = asyncio.run(run())
    assert worker != successor
    assert outcome == [Score(1.0)]
    assert kills[0] == "crash"


def test_the_memory_of_a_worker_does_not_depend_on_the_processors(monkeypatch):
    """Their template has no thread for each: what that reserves would count against them all."""
    monkeypatch.setenv("OPENBLAS_NUM_THREADS", "8")

    async def run():
        async with running() as (pool, _):
            return psutil.Process(processes(pool)[0]).num_threads()

    assert asyncio.run(run()) == 1


def test_a_killed_template_is_restarted():
    """The process that workers are forked from may die, too."""

    async def run():
        async with running() as (pool, _):
            template = processes(pool)[0]
            os.kill(template, signal.SIGKILL)
            await asyncio.sleep(0.2)
            return await pool.judge([GOOD] * 8, Spec())

    assert asyncio.run(run()) == [Score(1.0)] * 8


def test_what_is_not_judged_by_the_deadline_is_out_of_time():
    """The caller gets what is done, and the rest is retryable."""
    patient = IsolationLimits(workers=2, cpu_s=60.0)
    tower = Case("math", None, TOWER, "42")
    outcomes, _ = judge([GOOD, tower], limits=patient, deadline_s=3.0)
    assert outcomes[0] == Score(1.0)
    assert isinstance(outcomes[1], OutOfTime)
    assert outcomes[1].retryable


@pytest.mark.promise(17)
def test_requests_take_turns():
    """A request full of poison does not keep another one waiting for all of it."""

    async def run():
        async with running() as (pool, _):
            poison = [Case("math", None, f"{n}**9**9**9", "42") for n in range(2, 22)]
            flood = asyncio.create_task(pool.judge(poison, Spec()))
            await asyncio.sleep(0)
            outcome = await pool.judge([GOOD], Spec())
            waiting = not flood.done()
            flood.cancel()
            return outcome, waiting

    outcome, waiting = asyncio.run(run())
    assert outcome == [Score(1.0)]
    assert waiting


def test_a_bad_truth_is_reported_as_one():
    """What a kind's reader raises in the worker arrives as the same error."""
    outcomes, _ = judge([Case("numerical", None, "1", "one")])
    assert isinstance(outcomes[0], BadTruth)
    assert "expected a finite number" in str(outcomes[0])


def test_no_worker_knows_the_services_secrets(monkeypatch):
    """Nothing of the service's environment but what Python needs is shown by /proc of a worker."""
    monkeypatch.setenv("REWARDS_STORE", "redis://:a-secret@10.0.0.1/0")
    monkeypatch.setenv("RAY_AUTH_TOKEN", "a-secret")

    async def run():
        async with running() as (pool, _):
            await pool.judge([GOOD], Spec())
            return list(map(environment_of, processes(pool)))

    template, *workers = asyncio.run(run())
    assert workers
    assert all(b"secret" not in environment for environment in (template, *workers))


@pytest.mark.promise(18)
def test_nothing_is_left_running():
    """Closing the pool ends every process it started."""

    async def run():
        async with running() as (pool, _):
            await pool.judge([GOOD], Spec())
            return processes(pool)

    pids = asyncio.run(run())
    assert len(pids) >= 2
    deadline = time.monotonic() + 10
    while any(Path(f"/proc/{pid}").exists() for pid in pids) and time.monotonic() < deadline:
        time.sleep(0.05)
    assert not any(Path(f"/proc/{pid}").exists() for pid in pids)
