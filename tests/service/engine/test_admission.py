"""Tests for `service.engine.admission`."""

import asyncio

import pytest

from service.engine.admission import Admission, Capacity, DrainRate
from service.errors import Overloaded

SMALL = Capacity(body_bytes=100, waiting_items=40, active_items=10)


def test_bytes_are_held_whole_or_not_at_all():
    """A body that does not fit is refused before any of it is read, and leaves no trace."""
    admission = Admission(SMALL)
    with admission.hold(60):
        with pytest.raises(Overloaded, match="60 of 100 bytes"), admission.hold(41):
            pass
        assert admission.held_bytes == 60
    assert admission.held_bytes == 0


@pytest.mark.promise(6)
def test_one_request_of_many_items_and_many_of_one_meet_the_same_bound():
    """What counts is items: the next one over the bound is refused, whatever it came in."""

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
        inside = admission.waiting_items, admission.active_items
        release.set()
        refused = await asyncio.gather(*tasks, return_exceptions=True)
        assert isinstance(refused[-1], Overloaded)
        assert (admission.waiting_items, admission.active_items) == (0, 0)
        return inside

    assert asyncio.run(waiting_when_refused(1)) == (40, 10)
    assert asyncio.run(waiting_when_refused(10)) == (40, 10)


def test_a_busy_run_does_not_starve_another():
    """A run with forty requests waiting lets one of another run go next but one."""

    async def order():
        admission = Admission(Capacity(body_bytes=1, waiting_items=1000, active_items=1))
        served = []

        async def request(run):
            async with admission.enter(run, 1):
                served.append(run)
                await asyncio.sleep(0)

        crowd = [asyncio.create_task(request("busy")) for _ in range(40)]
        await asyncio.sleep(0)
        await asyncio.gather(request("quiet"), *crowd)
        return served

    served = asyncio.run(order())
    assert served.index("quiet") <= 2
    assert len(served) == 41


def test_equal_shares_by_items_not_by_requests():
    """While two runs wait, the one with large requests gets no more items than the other."""

    async def shares():
        admission = Admission(Capacity(body_bytes=1, waiting_items=10_000, active_items=10))
        served = []

        async def request(run, items):
            async with admission.enter(run, items):
                served.append((run, items))
                await asyncio.sleep(0)

        await asyncio.gather(
            *(request("large", 10) for _ in range(20)), *(request("small", 1) for _ in range(200))
        )
        return served

    early = asyncio.run(shares())[:110]
    large = sum(items for run, items in early if run == "large")
    small = sum(items for run, items in early if run == "small")
    assert large == pytest.approx(small, abs=20)


def test_a_request_larger_than_the_capacity_goes_alone():
    """It waits until nothing else is scored, and is not refused for ever."""

    async def run():
        admission = Admission(SMALL)
        async with admission.enter("r", 35):
            return admission.active_items

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
        return admission.waiting_items, admission.active_items

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
