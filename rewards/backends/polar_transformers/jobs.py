"""A passage to be scored once, for all who wait for its score."""

from concurrent.futures import Future
from dataclasses import dataclass, field

from rewards.backends.polar_transformers.packing import Passage
from rewards.errors import OutOfTime, ScorerUnavailable

Answer = float | ScorerUnavailable


@dataclass(frozen=True, slots=True)
class Waiter:
    """One caller: where the answer goes, and until when it is wanted."""

    future: Future[Answer]
    deadline: float


@dataclass(slots=True)
class Job:
    """What waits to be computed since `since`, or is being computed."""

    passage: Passage
    since: float
    waiters: list[Waiter] = field(default_factory=list)
    running: bool = False

    def add(self, waiter: Waiter) -> None:
        """Let one more caller wait for the same answer."""
        if not self.running or waiter.future.set_running_or_notify_cancel():
            self.waiters.append(waiter)

    def claim(self, now: float) -> bool:
        """Take the job for a batch, unless nobody waits for it any more.

        From here on its futures cannot be cancelled; those past their deadline are answered.
        """
        claimed = [w for w in self.waiters if w.future.set_running_or_notify_cancel()]
        self.waiters = [w for w in claimed if w.deadline > now]
        for waiter in claimed:
            if waiter.deadline <= now:
                waiter.future.set_result(OutOfTime("the deadline came before the device was free"))
        self.running = bool(self.waiters)
        return self.running

    def answer(self, answer: Answer) -> None:
        """Give everybody the same answer."""
        for waiter in self.waiters:
            waiter.future.set_result(answer)
