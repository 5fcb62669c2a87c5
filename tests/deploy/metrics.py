"""What a scrape of the service holds, and what a query asks for."""

import re
from collections import defaultdict
from collections.abc import Mapping
from dataclasses import dataclass
from http import HTTPStatus

from prometheus_client.parser import text_string_to_metric_families

from rewards.advantages import fates
from service.api.problems import STATUS
from service.telemetry.metrics import ABANDONED, ANY_KIND, REFUSED, SCORED, Metrics

# What Prometheus adds to every series, and what it has of its own.
ADDED = frozenset({"instance", "job"})
# Told once something goes wrong that no test here brings about: where the metric is, its labels.
RARE = {
    "reward_store_failures_total": "store_failures",
    "reward_departures_total": "departures",
}
# Values of labels that few services show on one day.
VALUES: Mapping[str, frozenset[str]] = {
    "code": frozenset(str(int(status)) for status in HTTPStatus),
    "kind": frozenset({ANY_KIND}),
    "outcome": frozenset(
        {SCORED, REFUSED, ABANDONED} | set(fates.FATES) | {error.code for error in STATUS}
    ),
}

# A series, recorded or scraped, and what it is selected by.
SERIES = re.compile(
    r"(?<![\w:])((?:reward|process|python)_[a-z_]+|up(?=\{)|job\w*:[\w:]+)(?![\w:(])(?:\{([^{}]*)\})?"
)
MATCHER = re.compile(r'(\w+)\s*(=~|!~|!=|=)\s*"([^"]*)"')
GROUPING = re.compile(r"\b(?:by|on|without|ignoring|group_left|group_right)\s*\(([^()]*)\)")
BY = re.compile(r"\bby\s*(\([^()]*\))")
GROUPED = re.compile(r"\w+")
PLAIN = re.compile(r"[\w/. -]+")


@dataclass(frozen=True, slots=True)
class Selection:
    """A series that a query reads, and the label, operator and text of each of its matchers."""

    series: str
    matchers: tuple[tuple[str, str, str], ...]

    @property
    def is_recorded(self) -> bool:
        """Whether it is Prometheus that makes it, by a rule."""
        return ":" in self.series


def selections(query: str) -> list[Selection]:
    """The series that a query reads."""
    return [
        Selection(name, tuple(MATCHER.findall(matchers)))
        for name, matchers in SERIES.findall(query)
    ]


def grouped_by(query: str) -> set[str]:
    """The labels that a query groups or joins by."""
    return {label for some in GROUPING.findall(query) for label in GROUPED.findall(some)}


class Scrape:
    """The series of a scrape, the labels that each has, and the values of each label."""

    def __init__(self, text: str) -> None:
        self.values: defaultdict[str, defaultdict[str, set[str]]] = defaultdict(
            lambda: defaultdict(set)
        )
        for one in text_string_to_metric_families(text):
            for sample in one.samples:
                known = self.values[sample.name]
                for label, value in sample.labels.items():
                    known[label].add(value)
        rare = vars(Metrics(version=""))
        for name, attribute in RARE.items():
            assert name not in self.values, f"{name} is not rare any more"
            self.values[name] = defaultdict(
                set, {one: set() for one in rare[attribute]._labelnames}
            )

    def labels(self, series: str) -> set[str]:
        """The labels of a series; of a recorded one, those of its level."""
        if ":" in series:
            return set(series.partition(":")[0].split("_"))
        return set(self.values.get(series, ())) | ADDED

    def answered(self, query: str) -> set[str]:
        """The labels that what a query finds may have."""
        grouped = {label for some in BY.findall(query) for label in GROUPED.findall(some)}
        return grouped or set().union(*(self.labels(one.series) for one in selections(query)))

    def unknown(self, query: str) -> list[str]:
        """Whatever a query names that is not there."""
        found: list[str] = []
        labels: set[str] = set()
        for one in selections(query):
            labels |= self.labels(one.series)
            if not one.is_recorded and one.series not in self.values and one.series != "up":
                found.append(one.series)
            else:
                found += self._unknown_matchers(one)
        return found + [f"by ({label})" for label in sorted(grouped_by(query) - labels)]

    def _unknown_matchers(self, one: Selection) -> list[str]:
        found = []
        for label, operator, text in one.matchers:
            if label not in self.labels(one.series):
                found.append(f"{one.series}{{{label}}}")
            elif label not in ADDED and not one.is_recorded:
                there = self.values[one.series][label] | VALUES.get(label, frozenset())
                wanted = text.split("|") if "~" in operator else [text]
                found += [
                    f"{one.series}{{{label}={value}}}"
                    for value in wanted
                    if PLAIN.fullmatch(value) and "." not in value and value not in there
                ]
        return found
