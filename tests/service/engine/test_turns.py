"""Tests for `service.engine.turns`."""

import asyncio
import time

import pytest

from rewards.errors import OutOfTime
from service.engine.turns import Turns


def test_a_busy_owner_does_not_hold_up_another():
    """One with forty things waiting lets one of another go next but one."""

    async def order():
        turns, served = Turns(1), []

        async def work(owner):
            async with turns.turn(owner, 1):
                served.append(owner)
                await asyncio.sleep(0)

        crowd = [asyncio.create_task(work("busy")) for _ in range(40)]
        await asyncio.sleep(0)
        await asyncio.gather(work("quiet"), *crowd)
        return served

    served = asyncio.run(order())
    assert served.index("quiet") <= 2
    assert len(served) == 41


def test_equal_shares_by_amount_not_by_pieces():
    """While two wait, the one with large pieces gets no more done than the other."""

    async def shares():
        turns, served = Turns(10), []

        async def work(owner, amount):
            async with turns.turn(owner, amount):
                served.append((owner, amount))
                await asyncio.sleep(0)

        await asyncio.gather(
            *(work("large", 10) for _ in range(20)), *(work("small", 1) for _ in range(200))
        )
        return served

    early = asyncio.run(shares())[:110]
    large = sum(amount for owner, amount in early if owner == "large")
    small = sum(amount for owner, amount in early if owner == "small")
    assert large == pytest.approx(small, abs=20)


def test_what_was_given_up_does_not_count_against_its_owner():
    """One whose forty pieces left unserved goes next but one, as if they had never come."""

    async def order():
        turns, served, hold = Turns(1), [], asyncio.Event()

        async def work(owner):
            async with turns.turn(owner, 1):
                served.append(owner)
                await hold.wait()

        first = asyncio.create_task(work("first"))
        await asyncio.sleep(0)
        left = [asyncio.create_task(work("unlucky")) for _ in range(40)]
        others = [asyncio.create_task(work("other")) for _ in range(10)]
        await asyncio.sleep(0)
        for one in left:
            one.cancel()
        await asyncio.sleep(0)
        again = asyncio.create_task(work("unlucky"))
        await asyncio.sleep(0)
        hold.set()
        await asyncio.gather(first, *others, again)
        return served, turns.active, turns.waiting

    served, active, waiting = asyncio.run(order())
    assert served.index("unlucky") <= 3
    assert (active, waiting) == (0, 0)


def test_a_turn_that_comes_too_late_is_none():
    """At the deadline the wait ends, and nothing stays counted."""

    async def run():
        turns = Turns(1)
        async with turns.turn("a", 1):
            with pytest.raises(OutOfTime):
                await turns.begin("b", 1, deadline=time.monotonic() + 0.01)
            assert (turns.active, turns.waiting) == (1, 0)
        return turns.active

    assert asyncio.run(run()) == 0
