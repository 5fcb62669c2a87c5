"""Tests for `rewards.backends.sam2.features`."""

import asyncio

import pytest
import torch

from rewards.backends.sam2.features import FeatureCache
from rewards.backends.sam2.network import Features
from rewards.errors import ModelFailed


def frames(count=1, *, size=250):
    """Return embeddings of 1000 bytes a frame."""
    return [Features((torch.zeros(size),)) for _ in range(count)]


class Computing:
    """A computation that ends when told, and counts how often it was begun."""

    def __init__(self, result=None):
        self.result = result or frames()
        self.begun = 0
        self.cancelled = 0
        self.go = asyncio.Event()

    async def __call__(self):
        """Begin, and wait for the word."""
        self.begun += 1
        try:
            await self.go.wait()
        except asyncio.CancelledError:
            self.cancelled += 1
            raise
        if isinstance(self.result, Exception):
            raise self.result
        return self.result


def at_once(*counts):
    """Return computations that are done at once."""
    made = [Computing(frames(count)) for count in counts]
    for computing in made:
        computing.go.set()
    return made


def test_what_is_kept_is_not_computed_again():
    """The second request for a digest is a hit, and gives the same embedding."""

    async def main():
        cache, [computing] = FeatureCache(10_000), at_once(1)
        first = await cache.get("a", computing)
        assert await cache.get("a", computing) is first
        assert (computing.begun, cache.hits, cache.misses, cache.nbytes) == (1, 1, 1, 1000)

    asyncio.run(main())


def test_those_who_ask_at_once_share_one_computation():
    """Eight requests, one flight."""

    async def main():
        cache, computing = FeatureCache(10_000), Computing()
        waiting = [asyncio.create_task(cache.get("a", computing)) for _ in range(8)]
        await asyncio.sleep(0)
        computing.go.set()
        results = await asyncio.gather(*waiting)
        assert computing.begun == 1
        assert all(result is results[0] for result in results)
        assert cache.nbytes == 1000

    asyncio.run(main())


def test_the_bound_is_in_bytes_and_the_least_recently_used_goes_first():
    """Room for three: a fourth drops the one that was not touched."""

    async def main():
        cache = FeatureCache(3000)
        first = at_once(1, 1, 1)
        for name, computing in zip("abc", first, strict=True):
            await cache.get(name, computing)
        await cache.get("a", first[0])
        await cache.get("d", at_once(1)[0])
        [again] = at_once(1)
        for name in "acd":
            await cache.get(name, again)
        assert again.begun == 0
        await cache.get("b", again)
        assert again.begun == 1
        assert cache.nbytes <= 3000

    asyncio.run(main())


def test_what_is_larger_than_the_cache_is_used_and_not_kept():
    """A long clip serves its own group and drops nobody else's embedding."""

    async def main():
        cache = FeatureCache(3000)
        [small, large] = at_once(1, 4)
        await cache.get("small", small)
        assert len(await cache.get("large", large)) == 4
        assert cache.nbytes == 1000
        await cache.get("small", small)
        assert small.begun == 1

    asyncio.run(main())


def test_an_error_reaches_everyone_and_is_forgotten():
    """The next request tries again."""

    async def main():
        cache, failing = FeatureCache(10_000), Computing(ModelFailed("away"))
        waiting = [asyncio.create_task(cache.get("a", failing)) for _ in range(3)]
        await asyncio.sleep(0)
        failing.go.set()
        outcomes = await asyncio.gather(*waiting, return_exceptions=True)
        assert outcomes == [failing.result] * 3
        [working] = at_once(1)
        assert await cache.get("a", working) is working.result

    asyncio.run(main())


def test_one_who_leaves_does_not_take_the_others_along():
    """The computation goes on while anybody waits."""

    async def main():
        cache, computing = FeatureCache(10_000), Computing()
        leaves, stays = (asyncio.create_task(cache.get("a", computing)) for _ in range(2))
        await asyncio.sleep(0)
        leaves.cancel()
        await asyncio.sleep(0)
        computing.go.set()
        assert await stays is computing.result
        assert (computing.begun, computing.cancelled) == (1, 0)

    asyncio.run(main())


def test_when_all_have_left_the_computation_ends_and_the_next_begins_anew():
    """Nothing is computed for nobody, and nobody joins what is being given up."""

    async def main():
        cache, computing = FeatureCache(10_000), Computing()
        waiting = [asyncio.create_task(cache.get("a", computing)) for _ in range(2)]
        await asyncio.sleep(0)
        for task in waiting:
            task.cancel()
        late = asyncio.create_task(cache.get("a", at_once(1)[0]))
        with pytest.raises(asyncio.CancelledError):
            await waiting[0]
        assert len(await late) == 1
        assert (computing.begun, computing.cancelled, cache.nbytes) == (1, 1, 1000)

    asyncio.run(main())
