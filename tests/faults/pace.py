"""How long callers wait who do no harm, while others do."""

import time
from collections.abc import Callable

from tests.benchmarks.load.arrivals import percentile

CALM = 200


def p99_s(ask: Callable[[], object], going_on: Callable[[int], bool]) -> float:
    """Ask again and again while something goes on; what 99 of a hundred answers take."""
    waits: list[float] = []
    while going_on(len(waits)):
        begun = time.monotonic()
        ask()
        waits.append(time.monotonic() - begun)
    return percentile(waits, 0.99)


def p99_calm_s(ask: Callable[[], object]) -> float:
    """The same while nothing goes on."""
    return p99_s(ask, lambda asked: asked < CALM)
