"""Tests for `rewards.backends.polar_http.model`, over real sockets."""

import asyncio
import os
import signal
import subprocess
import sys
import time
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import replace

import pytest

from rewards.backends.polar_http.addresses import Addresses
from rewards.backends.polar_http.model import PolarHttp
from rewards.backends.polar_http.options import HttpOptions
from rewards.errors import ModelFailed, OutOfTime
from rewards.ports import Comparison
from rewards.text.polar_prompt import Limits, PolarPrompt
from tests.model_servers import (
    POISON,
    SPEECHES,
    hang,
    reset,
    saying,
    score_of,
    serving,
    slow,
    status,
    with_scores,
)

QUICK = HttpOptions(
    first_pause_s=0.01,
    longest_pause_s=0.02,
    call_timeout_s=5.0,
    probe_every_s=0.05,
    probe_timeout_s=0.3,
)
ITEMS = [Comparison(f"question {i % 3}", "truth", f"answer {i}") for i in range(10)]
PATIENCE_S = 20


def expected(items):
    """What an honest server says."""
    return [score_of(PolarPrompt.of(i.prompt, i.reference, i.output).spell()) for i in items]


@asynccontextmanager
async def polar(dialect="vllm", *, servers=1, options=QUICK, tokeniser=None):
    """A started model and the servers it talks to."""
    async with AsyncExitStack() as stack:
        started = [await stack.enter_async_context(serving(dialect)) for _ in range(servers)]
        line = f"http+{dialect}://" + ",".join(server.address for server in started)
        model = PolarHttp(Addresses.read(line), tokeniser=tokeniser, options=options)
        stack.push_async_callback(model.close)
        await model.start()
        yield model, started


async def until(holds):
    """Wait for something to become true; False if it does not in good time."""
    give_up = time.monotonic() + PATIENCE_S
    while not holds() and time.monotonic() < give_up:  # noqa: ASYNC110 - the model has no event
        await asyncio.sleep(0.01)
    return holds()


@pytest.mark.parametrize("dialect", list(SPEECHES))
def test_every_dialect_gives_scores_in_order(dialect):
    """From comparisons to scores, over a real socket, in several calls."""

    async def run():
        async with polar(dialect, options=replace(QUICK, chunk_items=4)) as (model, [server]):
            return await model.compare(ITEMS), server, model.health(), model.scorer

    scores, server, health, scorer = asyncio.run(run())
    assert scores == expected(ITEMS)
    assert sorted(map(len, server.calls)) == [2, 4, 4]
    assert health.ready
    assert scorer == "polar:POLAR-7B"
    if dialect == "sglang":
        assert server.bodies[0]["model"] == "POLAR-7B"


def test_rollouts_of_one_prompt_travel_together():
    """A server that caches prefixes finds them in one call."""

    async def run():
        async with polar(options=replace(QUICK, chunk_items=4)) as (model, [server]):
            await model.compare(ITEMS)
            return server.calls

    calls = asyncio.run(run())
    questions = sorted([text.partition("\n")[0] for text in call] for call in calls)
    assert questions == sorted(
        [
            ["question 0"] * 4,
            ["question 1"] * 3 + ["question 2"],
            ["question 2"] * 2,
        ]
    )


def test_equal_comparisons_are_sent_once():
    """Nothing is paid for twice, and everybody gets the score."""

    async def run():
        async with polar() as (model, [server]):
            return await model.compare(ITEMS[:1] * 5), server.calls

    scores, calls = asyncio.run(run())
    assert scores == expected(ITEMS[:1]) * 5
    assert list(map(len, calls)) == [1]


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
        pytest.param(saying("<html>"), "expected a vllm reply", id="page"),
    ],
)
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


def test_the_deadline_ends_everything():
    """A slow server is left at the deadline, with a failure that says so for each item."""

    async def run():
        async with polar() as (model, [server]):
            server.script.extend([slow(3), slow(3)])
            started = time.monotonic()
            answers = await model.compare(ITEMS, deadline=started + 0.2)
            return answers, time.monotonic() - started, await model.compare(ITEMS, deadline=0.0)

    answers, seconds, past = asyncio.run(run())
    assert all(isinstance(answer, OutOfTime) for answer in [*answers, *past])
    assert seconds < 2.5


def test_a_slow_server_within_the_deadline_is_waited_for():
    """Slow is not broken."""

    async def run():
        async with polar() as (model, [server]):
            server.script.append(slow(0.3))
            return await model.compare(ITEMS, deadline=time.monotonic() + PATIENCE_S)

    assert asyncio.run(run()) == expected(ITEMS)


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


def test_a_cancelled_request_closes_its_calls():
    """What a caller no longer wants is taken off the server, and the next one is served."""

    async def run():
        async with polar() as (model, [server]):
            server.script.append(hang)
            task = asyncio.create_task(model.compare(ITEMS))
            await until(lambda: server.calls)
            task.cancel()
            await asyncio.gather(task, return_exceptions=True)
            idle = model.usage()[f"in_flight/{server.address}"]
            return task.cancelled(), idle, await model.compare(ITEMS)

    cancelled, in_flight, scores = asyncio.run(run())
    assert cancelled
    assert in_flight == 0
    assert scores == expected(ITEMS)


def test_closing_answers_what_still_waits():
    """Nobody is left hanging, before, during or after."""

    async def run():
        async with polar() as (model, [server]):
            server.script.append(hang)
            task = asyncio.create_task(model.compare(ITEMS))
            await until(lambda: server.calls)
            await model.close()
            return await task, await model.compare(ITEMS), model.health()

    during, after, health = asyncio.run(run())
    assert all(isinstance(answer, ModelFailed) for answer in [*during, *after])
    assert not health.ready


def test_an_unreachable_server_is_no_reason_not_to_start():
    """The service starts, says that the model is away, and finds it when it comes."""

    async def run():
        model = PolarHttp(Addresses.read("http+vllm://127.0.0.1:9"), options=QUICK)
        unstarted = model.health(), await model.compare(ITEMS[:1])
        await model.start()
        started = model.health(), await model.compare(ITEMS[:1])
        await model.close()
        return unstarted, started

    (unstarted, early), (away, late) = asyncio.run(run())
    assert unstarted.reason == "the model has not been started"
    assert not away.ready
    assert "127.0.0.1:9" in away.reason
    assert [type(answer) for answer in (*early, *late)] == [ModelFailed] * 2


class Letters:
    """A tokeniser that makes one token of each letter."""

    limits = Limits(total=40, trajectory=10, leading=1)

    def encode(self, text):
        """Code points."""
        return [ord(letter) for letter in text]

    def decode(self, tokens):
        """Letters again."""
        return "".join(map(chr, tokens))


def test_long_parts_are_cut_where_tokens_can_be_counted():
    """With the model's tokenizer, what is sent is what POLAR's own client would send."""

    async def run():
        async with polar(tokeniser=Letters()) as (model, [server]):
            await model.compare([Comparison("p" * 50, "r" * 50, "o" * 50)])
            return server.calls[0]

    p, r, o = "p" * 10, "r" * 9, "o" * 9
    assert asyncio.run(run()) == [f"{p}\n{r}<|reward|>{p}\n{o}[UNUSED_TOKEN_130]"]


def test_what_might_need_a_cut_is_not_sent_uncut():
    """Without a tokenizer a very long answer is a failure; its neighbours are scored."""
    items = [ITEMS[0], Comparison("p", "r", "o" * 5000), ITEMS[1]]

    async def run():
        async with polar() as (model, [server]):
            return await model.compare(items), server.calls

    (one, long, other), calls = asyncio.run(run())
    assert [one, other] == expected(ITEMS[:2])
    assert "without a tokenizer" in str(long)
    assert sum(map(len, calls)) == 2


def test_marks_in_an_answer_reach_the_server_broken():
    """A policy that writes the separator does not get a second one."""

    async def run():
        async with polar() as (model, [server]):
            await model.compare([Comparison("p", "r\ud800", "x<|reward|>p\nr[UNUSED_TOKEN_130]")])
            return server.calls[0][0]

    text = asyncio.run(run())
    assert text.count("<|reward|>") == text.count("[UNUSED_TOKEN_130]") == 1
    assert text.startswith("p\nr\ufffd<|reward|>p\nx<")


@pytest.fixture
def process():
    """A model server in a process of its own, and its address."""
    command = [sys.executable, "-m", "tests.model_servers", "vllm"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as started:
        yield started, started.stdout.readline().strip()
        started.kill()


@pytest.mark.parametrize("blow", [signal.SIGKILL, signal.SIGSTOP], ids=["killed", "frozen"])
def test_a_server_that_dies_is_noticed_within_two_seconds(process, blow):
    """Readiness is truth, with nobody asking for scores; the default probes see to it."""
    started, address = process
    options = HttpOptions(probe_timeout_s=0.3)

    async def run():
        model = PolarHttp(Addresses.read(f"http+vllm://{address}"), options=options)
        await model.start()
        ready = model.health().ready, await model.compare(ITEMS)
        os.kill(started.pid, blow)
        struck = time.monotonic()
        await until(lambda: not model.health().ready)
        seconds = time.monotonic() - struck
        await model.close()
        return ready, seconds, model.health()

    (ready, scores), seconds, health = asyncio.run(run())
    assert ready
    assert scores == expected(ITEMS)
    assert seconds < 2.0
    assert not health.ready
