"""How much goes into one call to a model server, and how patiently it is made."""

import random
from collections.abc import Callable
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class HttpOptions:
    """Bounds of one call and of its repetition, in items, characters and seconds.

    `probe_every_s` is how long a server may go without a success before it is asked for one. It
    has `probe_timeout_s` for that, or `busy_probe_timeout_s` while it has other calls to answer.
    """

    chunk_items: int = 32
    chunk_characters: int = 200_000
    calls_per_server: int = 4
    attempts: int = 4
    call_timeout_s: float = 30.0
    first_pause_s: float = 0.1
    longest_pause_s: float = 2.0
    probe_every_s: float = 1.0
    probe_timeout_s: float = 5.0
    busy_probe_timeout_s: float = 15.0
    draw: Callable[[float, float], float] = random.uniform

    def pause_s(self, attempt: int, asked_s: float) -> float:
        """Full jitter below a doubling ceiling, on top of what the server asked for.

        >>> HttpOptions(draw=lambda low, high: high).pause_s(2, asked_s=1.0)
        1.4
        """
        ceiling = min(self.first_pause_s * 2.0**attempt, self.longest_pause_s)
        return asked_s + self.draw(0.0, ceiling)
