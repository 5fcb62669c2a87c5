"""Tests for `service.engine.room`."""

from contextlib import ExitStack
from itertools import chain

import pytest
from hypothesis import given
from hypothesis import strategies as st

from service.engine.room import Full, Room

CALLS = st.lists(st.tuples(st.sampled_from("abcd"), st.integers(0, 9), st.booleans()), max_size=60)


def test_an_owner_alone_has_half_and_a_newcomer_what_it_left():
    """Of twelve seats, six; another then gets any number up to the six that are free."""
    with ExitStack() as stack:
        room = Room("seats", 12)
        for _ in range(6):
            stack.enter_context(room.held("greedy", 1))
        with pytest.raises(Full, match="6 of 12 seats are inside"), room.held("greedy", 1):
            pass
        assert room.fits("new", 6)
        assert not room.fits("new", 7)
        assert room.inside == 6


def test_what_is_larger_than_the_room_comes_in_alone():
    """It is not refused for ever; nothing else comes in beside it, except what takes no room."""
    room = Room("seats", 3)
    with room.held("large", 5):
        assert not room.fits("other", 1)
        assert room.fits("other", 0)
    assert room.inside == 0


@given(CALLS, st.integers(1, 40))
def test_the_bound_holds_and_all_comes_back(calls, size):
    """Whoever comes and goes, the room is never overfull, nor does an owner have the most of it.

    The first that an owner brings comes in wherever it fits.
    """
    room, inside = Room("seats", size), {owner: [] for owner in "abcd"}
    for owner, amount, leaves in calls:
        if leaves and inside[owner]:
            inside[owner].pop().close()
            continue
        has, before = sum(one.amount for one in inside[owner]), room.inside
        stack = Holding(amount)
        try:
            stack.enter_context(room.held(owner, amount))
        except Full:
            assert has or before + amount > size
            assert before
            continue
        inside[owner].append(stack)
        assert room.inside == before + amount
        assert room.inside <= size or before == 0 or amount == 0
        assert has == 0 or amount == 0 or has + amount <= size - room.inside
    for one in chain(*inside.values()):
        one.close()
    assert room.inside == 0


class Holding(ExitStack):
    """So much that is held until it is closed."""

    def __init__(self, amount):
        super().__init__()
        self.amount = amount
