"""A histogram that takes the numbers of a whole batch at once."""

from bisect import bisect_left
from collections.abc import Iterable, Iterator, Sequence

from prometheus_client.core import HistogramMetricFamily
from prometheus_client.registry import Collector, CollectorRegistry
from prometheus_client.utils import floatToGoString


class BatchHistogram(Collector):
    """Counts numbers by label and bucket; `bounds` ascend, infinity is added.

    The library's own takes a lock and a walk for each number, which a batch of thousands feels.
    To be used from one thread.
    """

    def __init__(
        self,
        name: str,
        documentation: str,
        label: str,
        *,
        bounds: Sequence[float],
        registry: CollectorRegistry,
    ) -> None:
        self._name, self._documentation, self._label = name, documentation, label
        self._bounds = bounds
        self._names = [*map(floatToGoString, bounds), "+Inf"]
        self._counts: dict[str, list[int]] = {}
        self._sums: dict[str, float] = {}
        registry.register(self)

    def observe(self, label: str, numbers: Sequence[float]) -> None:
        """Count some numbers under a label."""
        counts = self._counts.setdefault(label, [0] * len(self._names))
        bounds = self._bounds
        for number in numbers:
            counts[bisect_left(bounds, number)] += 1
        self._sums[label] = self._sums.get(label, 0.0) + sum(numbers)

    def describe(self) -> Iterable[HistogramMetricFamily]:
        """The family without samples."""
        return [HistogramMetricFamily(self._name, self._documentation, labels=[self._label])]

    def collect(self) -> Iterator[HistogramMetricFamily]:
        """Yield the family with a histogram for each label seen."""
        [family] = self.describe()
        for label, counts in self._counts.items():
            reached = 0
            buckets = []
            for name, count in zip(self._names, counts, strict=True):
                reached += count
                buckets.append((name, float(reached)))
            family.add_metric([label], buckets, sum_value=self._sums[label])
        yield family
