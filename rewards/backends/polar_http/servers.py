"""Which server gets the next call: one that works, has little to do, and knows the prompt."""

import time
from collections.abc import Collection, Hashable, Iterable, Mapping
from dataclasses import dataclass, field

from rewards.backends.polar_http.breaker import Breaker
from rewards.backends.polar_http.calls import CallFailed
from rewards.ports import Health


@dataclass(slots=True, eq=False)
class Server:
    """What is known of one model server."""

    base: str
    breaker: Breaker = field(default_factory=Breaker)
    in_flight: int = 0
    last_success: float = float("-inf")
    heard_at: float = field(default_factory=time.monotonic)
    trouble: str = "not called yet"

    @property
    def address(self) -> str:
        """Host and port, for metrics."""
        return self.base.partition("://")[2]

    def begin(self) -> None:
        """A call to it begins."""
        self.in_flight += 1
        self.breaker.begin()

    def end(self) -> None:
        """A call to it is over, however it ended."""
        self.in_flight -= 1
        self.breaker.let_go()

    def note_success(self, now: float) -> None:
        """It answered with scores."""
        self.last_success = self.heard_at = now
        self.breaker.succeed()

    def note_failure(self, failure: CallFailed, now: float) -> None:
        """It did not; remember why, and hold it against it where it is to blame."""
        self.trouble, self.heard_at = str(failure), now
        if failure.fault.blames:
            self.breaker.fail(now)

    def take_out(self, failure: CallFailed, now: float) -> None:
        """It failed where there is no excuse: no calls until it has recovered."""
        self.trouble = str(failure)
        self.breaker.fail(now, at_once=True)


class Servers:
    """All servers that hold one model."""

    def __init__(self, bases: Iterable[str]) -> None:
        self.all = [Server(base) for base in bases]

    def choose(
        self,
        family: Hashable,
        now: float,
        *,
        failed: Collection[Server] = (),
        without: Collection[Server] = (),
    ) -> Server | None:
        """The server for texts of one prompt, or None if there is none to be tried.

        Working servers come before those on trial, untried ones before `failed` ones, idle ones
        before busy ones; among equals one prompt always goes to the same server, whose prefix
        cache then holds it.
        """
        able = [s for s in self.all if s not in without and s.breaker.allows(now)]
        return min(
            able,
            key=lambda s: (
                not s.breaker.is_closed,
                s in failed,
                s.in_flight,
                hash((family, s.base)),
            ),
            default=None,
        )

    def health(self) -> Health:
        """Ready as long as one server works; the reason says what is wrong with the others.

        `heard_at` is that of the server which has been silent for longest.
        """
        down = [s for s in self.all if not s.breaker.is_closed]
        heard_at = min(server.heard_at for server in self.all)
        if not down:
            return Health(ready=True, heard_at=heard_at)
        reason = "; ".join(server.trouble for server in down)
        count = f"{len(down)} of {len(self.all)} servers down"
        return Health(len(down) < len(self.all), f"{count}: {reason}", heard_at)

    def usage(self) -> Mapping[str, float]:
        """Breaker and load of each server, by `name/address`."""
        return {
            f"{name}/{server.address}": float(value)
            for server in self.all
            for name, value in (
                ("breaker_open", not server.breaker.is_closed),
                ("in_flight", server.in_flight),
            )
        }
