"""Which parts are ready, and for how long nothing was heard of them, as metrics."""

import time
from collections.abc import Callable, Iterator, Mapping

from prometheus_client.core import GaugeMetricFamily
from prometheus_client.registry import Collector

from rewards.ports import Health

PartHealth = Callable[[], Mapping[str, Health]]

READY = ("reward_part_ready", "1 while a part is ready, 0 while it is not.")
SILENCE = (
    "reward_part_silence_seconds",
    "Time since an answer or a failure of a part that is asked all the time.",
)


class PartsCollector(Collector):
    """Reads the health of all parts at every scrape."""

    def __init__(self, health: PartHealth, clock: Callable[[], float] = time.monotonic) -> None:
        self._health = health
        self._clock = clock

    def describe(self) -> list[GaugeMetricFamily]:
        """The families without samples."""
        return [GaugeMetricFamily(*what, labels=["part"]) for what in (READY, SILENCE)]

    def collect(self) -> Iterator[GaugeMetricFamily]:
        """Yield a gauge of readiness, and one of silence for the parts that are asked."""
        ready, silence = self.describe()
        for part, health in self._health().items():
            ready.add_metric([part], float(health.ready))
            if health.heard_at is not None:
                silence.add_metric([part], self._clock() - health.heard_at)
        yield from (ready, silence)
