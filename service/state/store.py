"""What a run store promises, whatever it is made of.

A store knows no formula. It keeps, for each run, where the run stands, one record for each step,
the answers that were given, and what is gathered for steps that are not complete. A `Write`
changes all of that at once, and only if the run still stands where the writer read it: so a step
is applied once or not at all, by however many processes.
"""

from typing import Protocol

from service.state.offers import Gathered, Offer, OpenStep
from service.state.records import Head, Reading, Record, Write


class RunStore(Protocol):
    """Keeps runs. Every method raises `StateUnavailable` if the store does not answer in time.

    A write that raises may have been made all the same: read again, or try again.
    """

    async def read(self, run: str, step: int, part: int) -> Reading:
        """Return the run, the answer that `part` of `step` got, and what `step` has gathered."""
        ...

    async def write(self, run: str, write: Write) -> bool:
        """Make the change and return True, or change nothing and return False."""
        ...

    async def gather(self, run: str, offer: Offer) -> Gathered:
        """Keep what is offered, unless the step is taken or something stands in the way."""
        ...

    async def open_step(self, run: str, step: int) -> OpenStep:
        """Return what was gathered for `step`."""
        ...

    async def records(self, run: str, *, after: int, limit: int) -> list[Record]:
        """Return records of steps after `after`, the earliest first."""
        ...

    async def latest(self, run: str, until: int) -> Record | None:
        """Return the record of the last step that is not after `until`."""
        ...

    async def runs(self, *, after: str, limit: int) -> list[tuple[str, Head]]:
        """Return runs by name, those that sort after `after`."""
        ...

    async def delete(self, run: str) -> bool:
        """Remove everything of a run; return whether it existed."""
        ...

    async def ping(self) -> None:
        """Return if the store answers."""
        ...

    async def close(self) -> None:
        """Release what is held."""
        ...
