"""Dashboards speak of metrics that the service has."""

import json

import pytest

from service.telemetry.metrics import Metrics
from service.telemetry.usage import LEVELS, TOTALS
from tests.deploy.metrics import FAMILIES, LABELS, SERIES, labels_of, series_of
from tests.house.source import ROOT

DASHBOARDS = sorted((ROOT / "deploy/grafana/dashboards").glob("*.json"))
dashboards = pytest.mark.parametrize("path", DASHBOARDS, ids=lambda path: path.stem)


def panels(path):
    """The panels of a dashboard."""
    return json.loads(path.read_text(encoding="utf-8"))["panels"]


def queries(path):
    """The queries of a dashboard."""
    return [target["expr"] for panel in panels(path) for target in panel["targets"]]


@dashboards
def test_a_query_names_metrics_that_exist(path):
    """No panel stays empty because a metric was renamed."""
    named = set().union(*map(series_of, queries(path)))
    assert named
    assert sorted(named - SERIES) == []


@dashboards
def test_a_query_selects_by_labels_that_exist(path):
    """No panel stays empty because a label was renamed."""
    assert sorted(set().union(*map(labels_of, queries(path))) - LABELS) == []


def test_what_a_part_tells_is_explained():
    """Every level and total in a scrape says what it is in words of its own."""
    explained = {f"reward_{name}" for name in LEVELS | TOTALS}
    bare = {family.name for family in Metrics(version="").registry.collect()}
    told = {family.name for family in FAMILIES} - bare
    assert "reward_cache_hits" in told
    assert sorted(told - explained) == []


@dashboards
def test_a_panel_says_what_it_shows(path):
    """Every panel has a title and a sentence, stands in its place alone, and has its own number."""
    shown = panels(path)
    assert all(panel["title"] and panel["description"].endswith(".") for panel in shown)
    assert len({panel["id"] for panel in shown}) == len(shown)
    assert len({(panel["gridPos"]["x"], panel["gridPos"]["y"]) for panel in shown}) == len(shown)
