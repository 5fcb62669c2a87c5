"""Ways of doing the same work, timed in turns, so that a noisy machine is noisy for all of them."""

import gc
import os
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from statistics import median
from typing import Any, Self

CORES = sorted(os.sched_getaffinity(0))


@dataclass(frozen=True, slots=True)
class Figure:
    """A median over rounds, and the least and the most that it was made of."""

    median: float
    least: float
    most: float

    @classmethod
    def of(cls, values: Iterable[float]) -> Self:
        """The figure of some measurements.

        >>> Figure.of([3.0, 1.0, 2.0])
        Figure(median=2.0, least=1.0, most=3.0)
        """
        found = sorted(values)
        return cls(median(found), found[0], found[-1])


@dataclass(frozen=True, slots=True)
class Spent:
    """Seconds for one item: of processors, and of the clock on the wall."""

    cpu_s: float
    wall_s: float


@dataclass(frozen=True, slots=True)
class Turn:
    """One way's part of a round: batches that it has not seen before, done on one core.

    `cpu` reads the processor seconds of whatever does the work, or other seconds that count.
    """

    way: Callable[[Any], object]
    batches: Sequence[Any]
    core: int = 0
    cpu: Callable[[], float] = time.process_time

    def take(self) -> Spent:
        """Do all the work; returns what one item took."""
        with_core = {CORES[self.core % len(CORES)]}
        os.sched_setaffinity(0, with_core)
        gc.collect()
        cpu, wall = self.cpu(), time.perf_counter()
        for batch in self.batches:
            self.way(batch)
        wall, cpu = time.perf_counter() - wall, self.cpu() - cpu
        os.sched_setaffinity(0, CORES)
        items = sum(map(len, self.batches))
        return Spent(cpu / items, wall / items)


@dataclass(frozen=True, slots=True)
class Rounds:
    """What every way spent in each round."""

    spent: Sequence[Mapping[str, Spent]]

    @classmethod
    def take(cls, rounds: Iterable[Mapping[str, Turn]]) -> Self:
        """Take every turn of each round, one after the other."""
        return cls([{name: turn.take() for name, turn in turns.items()} for turns in rounds])

    def cpu_us(self, way: str) -> Figure:
        """Processor microseconds an item."""
        return Figure.of(spent[way].cpu_s * 1e6 for spent in self.spent)

    def wall_us(self, way: str) -> Figure:
        """Microseconds an item."""
        return Figure.of(spent[way].wall_s * 1e6 for spent in self.spent)

    def cpu_ratio(self, slow: str, fast: str) -> Figure:
        """How many times the processor seconds of `fast` went into `slow`, round by round."""
        return Figure.of(spent[slow].cpu_s / spent[fast].cpu_s for spent in self.spent)

    def wall_ratio(self, slow: str, fast: str) -> Figure:
        """How many times as long as `fast` did `slow` take, round by round."""
        return Figure.of(spent[slow].wall_s / spent[fast].wall_s for spent in self.spent)
