"""What a part has done and holds, as metrics."""

from collections.abc import Callable, Iterator, Mapping

from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily
from prometheus_client.registry import Collector

Usage = Callable[[], Mapping[str, float]]
Family = CounterMetricFamily | GaugeMetricFamily

LEVELS = frozenset(
    {
        "active_items",
        "batch_tokens_limit",
        "breaker_open",
        "bytes",
        "cache_bytes",
        "held_bytes",
        "in_flight",
        "waiting_items",
        "waiting_tokens",
    }
)


class UsageCollector(Collector):
    """Reads a part's `usage()` at every scrape: `reward_<part>_<key>`, totals with `_total`.

    A key `name/address` becomes the label `address`, empty for the others.
    """

    def __init__(self, part: str, usage: Usage) -> None:
        self._part = part
        self._usage = usage

    def describe(self) -> list[Family]:
        """Nothing ahead of time: which keys there are is the part's business."""
        return []

    def collect(self) -> Iterator[Family]:
        """Yield one family for each key."""
        families: dict[str, Family] = {}
        for key, value in sorted(self._usage().items()):
            name, _, address = key.partition("/")
            families.setdefault(name, self._family(name)).add_metric([address], value)
        yield from families.values()

    def _family(self, name: str) -> Family:
        kind = GaugeMetricFamily if name in LEVELS else CounterMetricFamily
        return kind(
            f"reward_{self._part}_{name}",
            f"{self._part}: {name.replace('_', ' ')}.".capitalize(),
            labels=["address"],
        )
