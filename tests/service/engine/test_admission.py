"""Tests for `service.engine.admission`."""

import asyncio
from collections import Counter

import pytest

from service.engine.admission import Admission, Capacity, DrainRate
from service.errors import Overloaded

SMALL = Capacity(body_bytes=100, waiting_items=40, active_items=10)


def counted(admission):
    """Items that wait, and items in hand."""
    usage = admission.usage()
    return usage["waiting_items"], usage["active_items"]


def test_bytes_are_held_whole_or_not_at_all():
    """A body that does not fit is refused before any of it is read, and leaves no trace.

    What one caller leaves free is there for another.
    """
    admission = Admission(SMALL)
    with admission.hold("a", 60):
        for caller, size in (("a", 1), ("b", 41)):
            with (
                pytest.raises(Overloaded, match="60 of 100 bytes"),
                admission.hold(caller, size),
            ):
                pass
        with admission.hold("b", 40):
            assert admission.usage()["held_bytes"] == 100
        assert admission.usage()["held_bytes"] == 60
    assert admission.usage()["held_bytes"] == 0


@pytest.mark.promise(6)
def test_one_request_of_many_items_and_many_of_one_meet_the_same_bound():
    """What counts is items: what exceeds the bound is refused, whatever it came in.

    A run alone has half of the room where requests wait.
    """

    async def waiting_when_refused(size):
        admission = Admission(SMALL)
        release = asyncio.Event()

        async def request():
            async with admission.enter("r", size):
                await release.wait()

        tasks = []
        while True:
            tasks.append(asyncio.create_task(request()))
            await asyncio.sleep(0)
            if tasks[-1].done():
                break
        inside = counted(admission)
        release.set()
        refused = await asyncio.gather(*tasks, return_exceptions=True)
        assert isinstance(refused[-1], Overloaded)
        assert counted(admission) == (0, 0)
        return inside

    assert asyncio.run(waiting_when_refused(1)) == (20, 10)
    assert asyncio.run(waiting_when_refused(10)) == (20, 10)


@pytest.mark.parametrize("what", ["tokens", "pixels"])
def test_what_models_are_asked_is_bounded_until_it_is_done(what):
    """More than fits is refused and leaves nothing behind; what asks no model comes in."""

    async def run():
        admission = Admission(Capacity(tokens=100, pixels=100))
        async with admission.enter("a", 1, **{what: 60}):
            with pytest.raises(Overloaded, match=f"60 of 100 {what}") as refused:
                await admission.enter("b", 1, **{what: 41}).__aenter__()
            assert refused.value.detail["full_of"] == what
            assert refused.value.retry_after_s >= 1
            async with admission.enter("b", 1, **{what: 40}), admission.enter("a", 1):
                assert admission.usage()[what] == 100
        return admission.usage()

    usage = asyncio.run(run())
    assert (usage["tokens"], usage["pixels"], usage["active_items"]) == (0, 0, 0)


@pytest.mark.parametrize("item_count", [1, 8, 32])
def test_a_greedy_run_never_costs_a_polite_one_a_refusal(item_count):
    """Thirty callers that come back at once keep the queue full; another run's one finds room."""

    async def run():
        admission = Admission(Capacity(waiting_items=64, active_items=8))
        done, refused = Counter(), Counter()

        async def ask(run, items):
            try:
                async with admission.enter(run, items):
                    await asyncio.sleep(0)
                    done[run] += items
            except Overloaded:
                refused[run] += 1
            await asyncio.sleep(0)

        async def greedy():
            while done["polite"] < 50 * item_count:
                await ask("greedy", 8)

        async def polite():
            for _ in range(50):
                await ask("polite", item_count)

        await asyncio.gather(polite(), *(greedy() for _ in range(30)))
        return done, refused, counted(admission)

    done, refused, left = asyncio.run(asyncio.wait_for(run(), 60))
    assert refused["polite"] == 0
    assert refused["greedy"] > 0
    assert done["polite"] == 50 * item_count
    assert left == (0, 0)


def test_a_request_larger_than_the_capacity_goes_alone():
    """It waits until nothing else is scored, and is not refused for ever."""

    async def run():
        admission = Admission(SMALL)
        async with admission.enter("r", 35):
            return admission.usage()["active_items"]

    assert asyncio.run(run()) == 35


@pytest.mark.parametrize("granted", [False, True])
@pytest.mark.promise(6)
def test_a_caller_that_leaves_gives_everything_back(granted):
    """Waiting or just granted, nothing stays counted."""

    async def run():
        admission = Admission(SMALL)

        async def request(items):
            async with admission.enter("r", items):
                await asyncio.sleep(10)

        first = asyncio.create_task(request(10))
        second = asyncio.create_task(request(10))
        await asyncio.sleep(0)
        if granted:
            first.cancel()
            await asyncio.sleep(0)
        second.cancel()
        first.cancel()
        await asyncio.gather(first, second, return_exceptions=True)
        return counted(admission)

    assert asyncio.run(run()) == (0, 0)


def test_retry_after_is_how_long_the_queue_takes_to_drain():
    """A hundred items a second drain three hundred in three."""
    instants = iter(range(100))
    rate = DrainRate(lambda: float(next(instants)))
    assert rate.seconds_for(10**6) == 1
    for _ in range(60):
        rate.count(100)
    assert rate.seconds_for(300) in (3, 4)
    assert rate.seconds_for(10**9) == 60
