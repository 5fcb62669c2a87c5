"""Tests for `rewards.backends.ray_serve.similarity` without a cluster."""

from collections import defaultdict

from rewards.backends.ray_serve.similarity import CALL_ITEMS, PARTS, split
from rewards.ports import Comparison

ITEMS = [Comparison(f"prompt {i % 50}", "truth", f"answer {i}") for i in range(2000)]


def test_every_comparison_goes_out_once():
    """None is lost and none is doubled on the way into calls."""
    sent = [one for _, chunk in split(ITEMS) for one in chunk]
    assert sorted(sent, key=ITEMS.index) == ITEMS


def test_rollouts_of_one_prompt_go_to_one_part():
    """Whoever sends them, and in whichever batch."""
    parts = defaultdict(set)
    for batch in (ITEMS, ITEMS[::-1], ITEMS[:3]):
        for part, chunk in split(batch):
            for one in chunk:
                parts[one.prompt, one.reference].add(part)
    assert {len(found) for found in parts.values()} == {1}
    assert len(set.union(*parts.values())) > PARTS / 2


def test_no_call_is_too_large():
    """A prompt with very many rollouts is asked in several calls."""
    chunks = list(split([Comparison("a", "b", str(i)) for i in range(CALL_ITEMS * 2 + 1)]))
    assert [len(chunk) for _, chunk in chunks] == [CALL_ITEMS, CALL_ITEMS, 1]
    assert len({part for part, _ in chunks}) == 1


def test_a_lone_surrogate_is_a_prompt_like_any_other():
    """JSON lets it through, and so must whatever follows."""
    assert len(list(split([Comparison("\ud800", "", "")]))) == 1
