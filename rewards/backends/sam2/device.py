"""One thread that owns the device: work in order, nothing begun for those who have gone."""

import asyncio
import time
from collections import deque
from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass
from functools import partial
from threading import Event
from typing import TypeVar

import torch

from rewards.backends.sam2.network import Features
from rewards.errors import ModelFailed, OutOfTime, RewardError, ScorerUnavailable
from rewards.ports import Pixels

Result = TypeVar("Result")
Item = TypeVar("Item")
Clock = Callable[[], float]

STUCK_AFTER_S = 300.0
CANARY_EVERY_S = 1.0
LATE = "the deadline passed before the mask model came to this item"


class Ticket:
    """Whether work is still wanted; asked on the device's thread between its steps.

    `deadline` is an instant of `clock`.
    """

    def __init__(self, deadline: float | None = None, clock: Clock = time.monotonic) -> None:
        self._deadline = deadline
        self._clock = clock
        self._dropped = Event()

    @property
    def left_s(self) -> float | None:
        """Seconds to the deadline, if there is one."""
        return None if self._deadline is None else self._deadline - self._clock()

    def drop(self) -> None:
        """Say that nobody waits any more."""
        self._dropped.set()

    def check(self) -> None:
        """Raise `OutOfTime` after the deadline, `ModelFailed` when the work was dropped."""
        if self._dropped.is_set():
            raise ModelFailed("the work was dropped before it was done")
        if self.left_s is not None and self.left_s <= 0:
            raise OutOfTime(LATE)


class Device:
    """Runs blocking work on a thread of its own, one piece at a time.

    A piece that does not end within `stuck_after_s` is taken for stuck. After a failure, and while
    nobody has work for it, `canary` is done every `CANARY_EVERY_S` until something succeeds.
    """

    def __init__(
        self,
        canary: Callable[[], None],
        *,
        stuck_after_s: float = STUCK_AFTER_S,
        clock: Clock = time.monotonic,
    ) -> None:
        self._canary = canary
        self._recovering: asyncio.Task[None] | None = None
        self._stuck_after_s, self._clock = stuck_after_s, clock
        self._thread = ThreadPoolExecutor(max_workers=1, thread_name_prefix="sam2")
        self._tickets: set[Ticket] = set()
        self._closed = False
        self._busy_since: float | None = None
        self._failure: str | None = None

    @property
    def trouble(self) -> str | None:
        """That the work in hand does not end, or the last failure until something succeeds."""
        since = self._busy_since
        busy_s = 0.0 if since is None else self._clock() - since
        if busy_s > self._stuck_after_s:
            return f"the work in hand has been computing for {busy_s:.0f} s"
        return self._failure

    async def run(self, work: Callable[[], Result], ticket: Ticket) -> Result:
        """Do `work` when its turn comes, if the ticket still holds by then.

        Raises `OutOfTime` at the deadline, though a step in hand is not interrupted, or
        `ModelFailed` when the network or the device fails.
        """
        if self._closed:
            raise ModelFailed("the mask model is shut down")
        self._tickets.add(ticket)
        loop = asyncio.get_running_loop()
        try:
            async with asyncio.timeout(ticket.left_s):
                return await loop.run_in_executor(self._thread, self._do, work, ticket)
        except TimeoutError:
            raise OutOfTime(LATE) from None
        finally:
            ticket.drop()
            self._tickets.discard(ticket)
            if self._failure and not self._recovering and not self._closed:
                self._recovering = asyncio.create_task(self._recover())

    async def _recover(self) -> None:
        while self._failure and not self._closed:
            await asyncio.sleep(CANARY_EVERY_S)
            if self._failure and not self._tickets:
                with suppress(ModelFailed):
                    await self.run(self._canary, Ticket())
        self._recovering = None

    def _do(self, work: Callable[[], Result], ticket: Ticket) -> Result:
        ticket.check()
        self._busy_since = self._clock()
        try:
            with torch.inference_mode():
                result = work()
        except RewardError:
            raise
        except Exception as error:  # whatever it is, somebody waits for an answer
            self._failure = (str(error).splitlines() or [type(error).__name__])[0][:200]
            raise ModelFailed(f"the mask model failed: {self._failure}") from error
        finally:
            self._busy_since = None
        self._failure = None
        return result

    async def close(self) -> None:
        """Let the step in hand end and drop the rest."""
        self._closed = True
        if self._recovering:
            self._recovering.cancel()
        for ticket in self._tickets:
            ticket.drop()
        await asyncio.to_thread(self._thread.shutdown)


@dataclass(frozen=True, slots=True, eq=False)
class _Waiting:
    frame: Pixels
    done: asyncio.Future[Features]


class EncoderQueue:
    """Feeds the image encoder with the frames of all callers, `at_once` of them together."""

    def __init__(
        self,
        device: Device,
        encode: Callable[[Sequence[Pixels]], list[Features]],
        *,
        at_once: int,
    ) -> None:
        self._device = device
        self._encode = encode
        self._at_once = at_once
        self._queue: deque[_Waiting] = deque()
        self._feeding: asyncio.Task[None] | None = None

    async def encode(self, frames: Iterable[Pixels]) -> list[Features]:
        """Embed frames, in order; those that have not begun are dropped on cancellation."""
        loop = asyncio.get_running_loop()
        waiting = [_Waiting(frame, loop.create_future()) for frame in frames]
        self._queue.extend(waiting)
        if self._feeding is None or self._feeding.done():
            self._feeding = asyncio.create_task(self._feed())
        try:
            return await asyncio.gather(*(item.done for item in waiting))
        finally:
            for item in waiting:
                item.done.cancel()

    async def _feed(self) -> None:
        while self._queue:
            batch: list[_Waiting] = []
            try:
                features = await self._device.run(partial(self._encode_next, batch), Ticket())
            except ScorerUnavailable as error:
                for item in batch or self._next():
                    _settle(item.done, error)
            else:
                for item, result in zip(batch, features, strict=True):
                    _settle(item.done, result)

    def _encode_next(self, batch: list[_Waiting]) -> list[Features]:
        # On the device's thread, so that a batch is what is wanted when its turn has come.
        batch.extend(self._next())
        return self._encode([item.frame for item in batch]) if batch else []

    def _next(self) -> list[_Waiting]:
        batch: list[_Waiting] = []
        while self._queue and len(batch) < self._at_once:
            item = self._queue.popleft()
            if not item.done.done():
                batch.append(item)
        return batch


def in_halves(
    work: Callable[[Sequence[Item]], list[Result]], items: Sequence[Item]
) -> list[Result]:
    """Do `work` on all items at once, or on halves of them where that takes too much memory."""
    try:
        return work(items)
    except torch.OutOfMemoryError:
        if len(items) == 1:
            raise
    middle = len(items) // 2
    return in_halves(work, items[:middle]) + in_halves(work, items[middle:])


def _settle(done: asyncio.Future[Features], outcome: Features | ScorerUnavailable) -> None:
    if done.done():
        return
    if isinstance(outcome, ScorerUnavailable):
        done.set_exception(outcome)
    else:
        done.set_result(outcome)
