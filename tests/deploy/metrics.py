"""What a scrape of the service can hold, and what a query asks for."""

import asyncio
import re
from collections.abc import Iterable

from prometheus_client.metrics_core import Metric

from service.bootstrap import open_container
from service.settings import Settings
from service.telemetry.metrics import Metrics

# With a model server, though nobody listens there, so that every part is there to be followed.
PARTS = {"store": "memory:", "workers": "1", "polar": "http+vllm://127.0.0.1:9"}
SUFFIXES = {"counter": ("_total",), "histogram": ("_bucket", "_sum", "_count")}


async def _scrape() -> Iterable[Metric]:
    async with open_container(Settings.read({}, **PARTS)) as container:
        return list(container.metrics.registry.collect())


FAMILIES = asyncio.run(_scrape())
SERIES = {
    family.name + suffix for family in FAMILIES for suffix in SUFFIXES.get(family.type, ("",))
}
# A metric without samples does not say what labels it will have; its definition does.
LABELS = {"instance", "job", "le"}.union(
    *(sample.labels for family in FAMILIES for sample in family.samples),
    *(getattr(family, "_labelnames", ()) for family in FAMILIES),
    *(getattr(metric, "_labelnames", ()) for metric in vars(Metrics(version="1")).values()),
)

# Recorded series have colons in their names.
NAME = re.compile(r"(?<![\w:])(?:reward|process|python)_[a-z_]+(?![\w:])")
SELECTOR = re.compile(r"\{([^{}]*)\}")
LABEL = re.compile(r"(\w+)\s*(?:=~|!~|!=|=)")


def series_of(query: str) -> set[str]:
    """The series that a query reads from a scrape."""
    return set(NAME.findall(query))


def labels_of(query: str) -> set[str]:
    """The labels that a query selects by."""
    return {label for selector in SELECTOR.findall(query) for label in LABEL.findall(selector)}
