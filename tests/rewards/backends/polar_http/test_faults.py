"""Tests of `rewards.backends.polar_http` against servers that fail in every way."""

import asyncio
import os
import signal
import subprocess
import sys
import time
from dataclasses import replace

import pytest

from rewards.backends.polar_http.addresses import Addresses
from rewards.backends.polar_http.model import PolarHttp
from rewards.backends.polar_http.options import HttpOptions
from rewards.errors import ModelFailed
from rewards.ports import Comparison
from tests.model_servers import (
    POISON,
    hang,
    honest,
    reset,
    saying,
    status,
    with_scores,
)
from tests.remote_polar import ITEMS, QUICK, expected, polar, until


@pytest.mark.parametrize(
    "act",
    [
        pytest.param(reset, id="reset"),
        pytest.param(status(502), id="502"),
        pytest.param(status(503), id="503"),
        pytest.param(status(429), id="429"),
        pytest.param(status(408), id="408"),
    ],
)
def test_what_may_pass_is_tried_again_on_the_same_server(act):
    """One failure of the moment costs a repetition and no score."""

    async def run():
        async with polar() as (model, [server]):
            server.script.extend([act, act])
            return await model.compare(ITEMS), server.calls, model.usage()

    scores, calls, usage = asyncio.run(run())
    assert scores == expected(ITEMS)
    assert len(calls) == 3
    assert usage["retries"] == 2


@pytest.mark.parametrize(
    ("act", "why"),
    [
        pytest.param(status(500), "status 500", id="500"),
        pytest.param(status(404), "status 404", id="404"),
        pytest.param(status(307, Location="http://127.0.0.1:9"), "status 307", id="redirect"),
        pytest.param(with_scores(lambda scores: scores[:-1]), "expected 10 scores", id="short"),
        pytest.param(with_scores(lambda scores: [*scores, 1.0]), "got 11", id="long"),
        pytest.param(with_scores(lambda scores: [float("nan")] * len(scores)), "finite", id="nan"),
        pytest.param(
            with_scores(lambda scores: [None] * len(scores)), "expected a number", id="none"
        ),
        pytest.param(saying("<html>"), "expected a reply of vllm", id="page"),
    ],
)
@pytest.mark.promise(48)
def test_what_will_not_pass_is_not_repeated_and_never_a_number(act, why):
    """A server that answers wrongly is asked once; every item is a failure that says why."""

    async def run():
        async with polar() as (model, [server]):
            server.script.append(act)
            return await model.compare(ITEMS), server.calls

    answers, calls = asyncio.run(run())
    assert len(calls) == 1
    assert all(isinstance(answer, ModelFailed) for answer in answers)
    assert why in str(answers[0])


@pytest.mark.parametrize(
    "act",
    [
        pytest.param(status(500), id="500"),
        pytest.param(status(404), id="404"),
        pytest.param(reset, id="reset"),
        pytest.param(with_scores(lambda _: []), id="short"),
        pytest.param(with_scores(lambda scores: [None] * len(scores)), id="none"),
        pytest.param(saying("[]"), id="page"),
    ],
)
def test_another_server_is_asked_where_one_fails(act):
    """With two addresses a broken server costs nobody a score."""
    items = [Comparison(f"question {n}", "truth", "answer") for n in range(20)]

    async def run():
        async with polar(servers=2, options=replace(QUICK, chunk_items=1)) as (model, [one, two]):
            one.script.extend([act] * 100)
            return await model.compare(items), len(one.calls), len(two.calls)

    scores, broken, honest = asyncio.run(run())
    assert scores == expected(items)
    assert broken >= 1
    assert honest == 20


SAID = "a prompt that the server repeats"


@pytest.mark.promise(29)
@pytest.mark.parametrize(
    "act",
    [
        pytest.param(status(400, SAID), id="400"),
        pytest.param(status(500, SAID), id="500"),
        pytest.param(status(503, SAID), id="503"),
        pytest.param(saying(SAID), id="page"),
        pytest.param(with_scores(lambda scores: [SAID] * len(scores)), id="no-number"),
        pytest.param(reset, id="reset"),
    ],
)
def test_nothing_that_a_server_said_is_passed_on(act):
    """It may repeat a prompt; neither callers nor probes are told that, or where it is."""

    async def run():
        async with polar() as (model, [server]):
            server.always = act
            answers = await model.compare(ITEMS)
            await until(lambda: not model.health().ready)
            return [str(answer) for answer in answers], model.health().reason

    answers, reason = asyncio.run(run())
    told = " ".join([*answers, reason])
    assert all(answers)
    assert not any(word in told for word in ("prompt", "127.0.0.1", "http:"))


@pytest.mark.promise(48)
def test_one_bad_number_fails_alone():
    """NaN for one text leaves nine scores and one failure."""

    async def run():
        async with polar() as (model, [server]):
            server.script.append(with_scores(lambda s: [s[0], float("nan"), *s[2:]]))
            return await model.compare([i for i in ITEMS if i.prompt == "question 0"])

    first, bad, *rest = asyncio.run(run())
    own = [item for item in ITEMS if item.prompt == "question 0"]
    assert isinstance(bad, ModelFailed)
    assert [first, *rest] == [expected(own)[0], *expected(own)[2:]]


def test_a_text_the_server_refuses_does_not_take_its_neighbours_along():
    """The chunk is halved until the one is alone; the server is not blamed for refusing."""
    items = [*ITEMS[:6], Comparison("question 0", "truth", POISON), *ITEMS[6:]]

    async def run():
        async with polar() as (model, [server]):
            return await model.compare(items), len(server.calls), model.health()

    answers, calls, health = asyncio.run(run())
    assert isinstance(answers[6], ModelFailed)
    assert "status 400" in str(answers[6])
    assert answers[:6] + answers[7:] == expected(ITEMS)
    assert calls <= 9
    assert health.ready


def test_the_pause_the_server_asks_for_is_kept():
    """`Retry-After: 1` means that the next call comes a second later."""

    async def run():
        async with polar() as (model, [server]):
            server.script.append(status(429, **{"Retry-After": "1"}))
            return await model.compare(ITEMS), server.times

    scores, (first, second) = asyncio.run(run())
    assert scores == expected(ITEMS)
    assert second - first >= 1.0


def test_repetition_ends():
    """A server that is always busy is left alone after four calls."""

    async def run():
        async with polar() as (model, [server]):
            server.script.extend([status(429)] * 50)
            return await model.compare(ITEMS), len(server.calls), model.health()

    answers, calls, health = asyncio.run(run())
    assert calls == 4
    assert all("status 429" in str(answer) for answer in answers)
    assert health.ready


def test_a_server_that_hangs_is_given_up_for_another():
    """A call that brings nothing in its time is made elsewhere."""
    options = replace(QUICK, call_timeout_s=0.3)

    async def run():
        async with polar(servers=2, options=options) as (model, [one, other]):
            one.always = hang
            scores = [await model.compare([item]) for item in ITEMS]
            down = await until(lambda: model.usage()[f"breaker_open/{one.address}"] == 1.0)
            return scores, down, model.health(), len(other.calls)

    scores, down, health, calls = asyncio.run(run())
    assert [score for [score] in scores] == expected(ITEMS)
    assert down
    assert health.ready
    assert "1 of 2 servers down" in health.reason
    assert calls >= len(ITEMS) - 3


@pytest.mark.promise(47)
def test_a_server_comes_back_by_itself():
    """Down is told without traffic, and so is up; nothing is sent to a server that is down."""

    async def run():
        async with polar() as (model, [server]):
            server.always = status(500)
            down = await until(lambda: not model.health().ready)
            reason = model.health().reason
            refused = await model.compare(ITEMS)
            asked = len(server.calls)
            server.always = None
            up = await until(lambda: model.health().ready)
            return down, reason, refused, asked, up, await model.compare(ITEMS)

    down, reason, refused, asked, up, scores = asyncio.run(run())
    assert down
    assert "status 500" in reason
    assert all(isinstance(answer, ModelFailed) for answer in refused)
    assert asked <= 1
    assert up
    assert scores == expected(ITEMS)


@pytest.mark.promise(46)
def test_probes_are_few_and_one_at_a_time():
    """A server that hangs is not buried under probes."""

    async def run():
        async with polar() as (model, [server]):
            server.always = hang
            await until(lambda: not model.health().ready)
            before = server.probes
            await asyncio.sleep(1.0)
            return server.probes - before

    assert asyncio.run(run()) <= 3


@pytest.fixture
def process():
    """A model server in a process of its own, and its address."""
    command = [sys.executable, "-m", "tests.model_servers", "vllm"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as started:
        yield started, started.stdout.readline().strip()
        started.kill()


@pytest.mark.promise(46)
def test_a_server_that_dies_is_noticed_within_two_seconds(process):
    """Readiness is truth, with nobody asking for scores; the default probes see to it."""
    started, address = process

    async def run():
        model = PolarHttp(Addresses.read(f"http+vllm://{address}"))
        await model.start()
        ready = model.health().ready, await model.compare(ITEMS)
        os.kill(started.pid, signal.SIGKILL)
        struck = time.monotonic()
        await until(lambda: not model.health().ready)
        seconds = time.monotonic() - struck
        await model.close()
        return ready, seconds, model.health()

    (ready, scores), seconds, health = asyncio.run(run())
    assert ready
    assert scores == expected(ITEMS)
    assert seconds < 5.0
    assert not health.ready


# What a server that says nothing has time for, and how long it takes to notice that, at most.
SHIPPED = HttpOptions()
HASTY = HttpOptions(probe_every_s=0.2, probe_timeout_s=0.5, busy_probe_timeout_s=0.5)


@pytest.mark.parametrize(
    ("options", "calls_every_s", "within_s"),
    [
        pytest.param(HASTY, None, 10.0, id="idle"),
        pytest.param(HASTY, 0.1, 10.0, id="at-work"),
        pytest.param(SHIPPED, None, 8.0, id="shipped-idle", marks=pytest.mark.long),
        pytest.param(SHIPPED, 0.4, 18.0, id="shipped-at-work", marks=pytest.mark.long),
    ],
)
@pytest.mark.promise(46)
@pytest.mark.promise(47)
def test_a_server_that_says_nothing_is_noticed(process, options, calls_every_s, within_s):
    """Frozen, it accepts calls; that all of them end at their deadlines does not hide it.

    It is noticed within the timeout of a probe, and what is asked afterwards is told at once.
    """
    started, address = process

    async def run():
        model = PolarHttp(Addresses.read(f"http+vllm://{address}"), options=options)
        await model.start()
        assert model.health().ready
        os.kill(started.pid, signal.SIGSTOP)
        struck = time.monotonic()
        async with asyncio.TaskGroup() as group:
            while model.health().ready and time.monotonic() < struck + 2 * within_s:
                if calls_every_s is not None:
                    deadline = time.monotonic() + 2.5 * calls_every_s
                    group.create_task(model.compare(ITEMS, deadline=deadline))
                await asyncio.sleep(calls_every_s or 0.1)
            seconds, health = time.monotonic() - struck, model.health()
        os.kill(started.pid, signal.SIGCONT)
        up = await until(lambda: model.health().ready)
        await model.close()
        return seconds, health, up

    seconds, health, up = asyncio.run(run())
    assert not health.ready
    assert "no answer within" in health.reason
    assert seconds < within_s
    assert up


def test_a_server_that_is_slow_but_answers_is_not_given_up():
    """Its canary waits behind other calls; that those are answered is sign enough."""
    options = replace(QUICK, probe_every_s=0.05, busy_probe_timeout_s=1.5, calls_per_server=8)

    async def slow(server, request, texts):
        if "question" in texts[0]:
            await asyncio.sleep(0.1)
            return await honest(server, request, texts)
        return await hang(server, request, texts)

    async def run():
        async with polar(options=options) as (model, [server]):
            server.always = slow
            asked, down = server.probes, []
            while server.probes < asked + 3:
                down.append(not model.health().ready)
                await asyncio.gather(*(model.compare(ITEMS[:1]) for _ in range(3)))
            return down

    assert not any(asyncio.run(run()))
