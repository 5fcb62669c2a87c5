"""Tests for `service.engine.cache`."""

from rewards.score import Score
from service.engine.cache import VerdictCache


def test_the_least_recently_used_goes_first():
    """The bound is on the size of the texts, and a hit counts as use."""
    cache = VerdictCache(30)
    for key in "abc":
        cache.put(key, Score(1.0), 10)
    cache.get("a")
    cache.put("d", Score(1.0), 10)
    assert [cache.get(key) is not None for key in "abcd"] == [True, False, True, True]


def test_what_is_larger_than_the_cache_is_not_kept():
    """One huge answer does not empty it."""
    cache = VerdictCache(30)
    cache.put("a", Score(1.0), 10)
    cache.put("b", Score(1.0), 31)
    assert cache.get("a") == Score(1.0)
    assert cache.get("b") is None


def test_putting_twice_counts_once():
    """The same verdict again takes no more room."""
    cache = VerdictCache(20)
    for _ in range(5):
        cache.put("a", Score(1.0), 10)
    cache.put("b", Score(0.0), 10)
    assert cache.get("a") == Score(1.0)
