"""Embeddings kept by content: bounded in bytes, and computed once however many ask at once."""

import asyncio
from collections import OrderedDict
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass

from rewards.backends.sam2.network import Features

Frames = Sequence[Features]
Compute = Callable[[], Awaitable[Frames]]


@dataclass(slots=True)
class _Flight:
    task: asyncio.Task[Frames]
    waiting: int = 0


class FeatureCache:
    """The most recently used embeddings; belongs to one model and one event loop."""

    def __init__(self, max_bytes: int) -> None:
        self._max_bytes = max_bytes
        self._kept: OrderedDict[str, Frames] = OrderedDict()
        self._flights: dict[str, _Flight] = {}
        self.nbytes = 0
        self.hits = 0
        self.misses = 0

    def __contains__(self, digest: str) -> bool:
        """Whether `get` would find it, kept or being computed."""
        return digest in self._kept or digest in self._flights

    async def get(self, digest: str, compute: Compute) -> Frames:
        """Return what is kept under `digest`, or wait for the one computation of it.

        The computation is cancelled when nobody waits any more; its error reaches everybody
        who does, and is not kept.
        """
        kept = self._kept.get(digest)
        if kept is not None:
            self._kept.move_to_end(digest)
            self.hits += 1
            return kept
        flight = self._flights.get(digest)
        if flight is None:
            self.misses += 1
            flight = self._flights[digest] = _Flight(asyncio.create_task(_run(compute)))
        else:
            self.hits += 1
        return await self._join(digest, flight)

    async def _join(self, digest: str, flight: _Flight) -> Frames:
        flight.waiting += 1
        try:
            frames = await asyncio.shield(flight.task)
        finally:
            flight.waiting -= 1
            if (flight.task.done() or not flight.waiting) and (self._flights.get(digest) is flight):
                del self._flights[digest]
                flight.task.cancel()
        self._keep(digest, frames)
        return frames

    def _keep(self, digest: str, frames: Frames) -> None:
        size = _nbytes(frames)
        if digest in self._kept or size > self._max_bytes:
            return
        self._kept[digest] = frames
        self.nbytes += size
        while self.nbytes > self._max_bytes:
            _, dropped = self._kept.popitem(last=False)
            self.nbytes -= _nbytes(dropped)

    def clear(self) -> None:
        """Drop everything that is kept."""
        self._kept.clear()
        self.nbytes = 0


async def _run(compute: Compute) -> Frames:
    return await compute()


def _nbytes(frames: Frames) -> int:
    return sum(frame.nbytes for frame in frames)
