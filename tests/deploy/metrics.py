"""What a scrape of the service can hold, and what a query asks for."""

import re

from service.telemetry.metrics import Metrics

METRICS = Metrics(version="1")
SUFFIXES = {"counter": ("_total",), "histogram": ("_bucket", "_sum", "_count")}
SERIES = {
    family.name + suffix
    for family in METRICS.registry.collect()
    for suffix in SUFFIXES.get(family.type, ("",))
}
LABELS = {"instance", "job", "le"}.union(
    *(metric._labelnames for metric in vars(METRICS).values() if hasattr(metric, "_labelnames"))
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
