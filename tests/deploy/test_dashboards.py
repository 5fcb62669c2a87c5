"""Dashboards speak of metrics that the service has."""

import json
import re

import pytest

from service.telemetry.metrics import Metrics
from tests.house.source import ROOT

DASHBOARDS = sorted((ROOT / "deploy/grafana/dashboards").glob("*.json"))
NAME = re.compile(r"\b(?:reward|process|python)_[a-z_]+\b")
SELECTOR = re.compile(r"\{([^{}]*)\}")
LABEL = re.compile(r"(\w+)\s*(?:=~|!~|!=|=)")


METRICS = Metrics(version="1")
SUFFIXES = {"counter": ("_total",), "histogram": ("_bucket", "_sum", "_count")}
SERIES = {
    family.name + suffix
    for family in METRICS.registry.collect()
    for suffix in SUFFIXES.get(family.type, ("",))
}
LABELS_KNOWN = {"instance", "job", "le"}.union(
    *(metric._labelnames for metric in vars(METRICS).values() if hasattr(metric, "_labelnames"))
)


def panels(path):
    """The panels of a dashboard."""
    return json.loads(path.read_text())["panels"]


def expressions(path):
    """The queries of a dashboard."""
    return [target["expr"] for panel in panels(path) for target in panel["targets"]]


@pytest.mark.parametrize("path", DASHBOARDS, ids=lambda path: path.stem)
def test_a_query_names_metrics_that_exist(path):
    """No panel stays empty because a metric was renamed."""
    named = {name for query in expressions(path) for name in NAME.findall(query)}
    assert named
    assert sorted(named - SERIES) == []


@pytest.mark.parametrize("path", DASHBOARDS, ids=lambda path: path.stem)
def test_a_query_selects_by_labels_that_exist(path):
    """No panel stays empty because a label was renamed."""
    used = {
        label
        for query in expressions(path)
        for selector in SELECTOR.findall(query)
        for label in LABEL.findall(selector)
    }
    assert sorted(used - LABELS_KNOWN) == []


@pytest.mark.parametrize("path", DASHBOARDS, ids=lambda path: path.stem)
def test_a_panel_says_what_it_shows(path):
    """Every panel has a title and a sentence, stands in its place alone, and has its own number."""
    shown = panels(path)
    assert all(panel["title"] and panel["description"].endswith(".") for panel in shown)
    assert len({panel["id"] for panel in shown}) == len(shown)
    assert len({(panel["gridPos"]["x"], panel["gridPos"]["y"]) for panel in shown}) == len(shown)
