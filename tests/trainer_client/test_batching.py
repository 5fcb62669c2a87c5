"""Tests for `trainer_client.batching`."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from trainer_client.batching import ENVELOPE_BYTES, cut, join, prepare
from trainer_client.errors import BadCall
from trainer_client.wire.items import Item, Terms
from trainer_client.wire.rewards import ItemResult, RewardResponse, SpecTag
from trainer_client.wire.service import Info

SPEC = SpecTag("onethinker-released", 1, "sha256:0")


def result(identity):
    """A verdict that can be told from others by its id."""
    return ItemResult(identity, 1.0, 1.0, 1.0, 0.5, {}, "rule", None, None)


def item(group, size=1):
    """An item of `size` characters."""
    return Item("math", "x" * size, "4", group=group)


batches = st.lists(
    st.builds(item, st.none() | st.sampled_from("abcdef"), st.integers(0, 300)),
    min_size=1,
    max_size=40,
)


@given(batches, st.integers(40, 50), st.integers(15_000, 20_000))
def test_every_item_travels_once_within_the_limits(items, most, room):
    """Chunks hold each position once, and none holds more than it may."""
    chunks = cut(prepare(items, Terms()), Info(most, room))
    positions = sorted(entry.position for chunk in chunks for entry in chunk.entries)
    assert positions == list(range(len(items)))
    for chunk in chunks:
        assert len(chunk.entries) <= most
        assert sum(len(entry.body) + 1 for entry in chunk.entries) <= room - ENVELOPE_BYTES


@given(batches, st.integers(40, 45))
def test_a_group_is_never_divided(items, most):
    """Rollouts of one prompt are in one request, wherever in the batch they stand."""
    homes = {}
    for number, chunk in enumerate(cut(prepare(items, Terms()), Info(most, 1 << 20))):
        for entry in chunk.entries:
            homes.setdefault(entry.item.group, set()).add(number)
    homes.pop(None, None)
    assert all(len(chunks) == 1 for chunks in homes.values())


@given(batches)
def test_join_undoes_cut(items):
    """Whatever was cut, the verdicts stand in the order of the batch."""
    chunks = cut(prepare(items, Terms()), Info(40, 15_000))
    answers = [
        RewardResponse(SPEC, tuple(result(entry.id) for entry in chunk.entries)) for chunk in chunks
    ]
    joined = join(chunks, answers)
    assert {at: one.id for at, one in joined.items()} == {n: str(n) for n in range(len(items))}


def test_ids_of_the_caller_are_kept():
    """An item that has an id travels under it, another under its position."""
    own = {"kind": "ocr", "response": "", "ground_truth": "a", "id": "p/1"}
    (chunk,) = cut(prepare([item(None), own], Terms()), Info(8, 1 << 20))
    assert [json.loads(entry.body)["id"] for entry in chunk.entries] == ["0", "p/1"]


@pytest.mark.parametrize(
    "info", [Info(3, 1 << 20), Info(100, ENVELOPE_BYTES + 100)], ids=["items", "bytes"]
)
def test_a_group_that_no_request_can_hold_is_named(info):
    """Dividing it would change its scores, so the caller decides."""
    with pytest.raises(BadCall, match="group 'a' has 4 items"):
        cut(prepare([item("a")] * 4, Terms()), info)
