"""Dashboards speak of metrics that the service has."""

import json
import re

import pytest

from tests.deploy.metrics import selections
from tests.house.source import ROOT

DASHBOARDS = sorted((ROOT / "deploy/grafana/dashboards").glob("*.json"))
LEGEND = re.compile(r"\{\{(\w+)\}\}")
dashboards = pytest.mark.parametrize("path", DASHBOARDS, ids=lambda path: path.stem)


def panels(path):
    """The panels of a dashboard."""
    return json.loads(path.read_text(encoding="utf-8"))["panels"]


def queries(path):
    """The queries of a dashboard."""
    return [target["expr"] for panel in panels(path) for target in panel["targets"]]


@dashboards
def test_a_query_finds_what_it_asks_for(path, scrape):
    """No panel stays empty because a metric, a label or a value of one was renamed."""
    asked = queries(path)
    assert any(map(selections, asked))
    assert {query: unknown for query in asked if (unknown := scrape.unknown(query))} == {}


@dashboards
def test_a_legend_names_labels_that_are_found(path, scrape):
    """No curve is called by a label that it has not."""
    for panel in panels(path):
        for target in panel["targets"]:
            named = set(LEGEND.findall(target["legendFormat"]))
            assert named <= scrape.answered(target["expr"]), panel["title"]


def test_a_panel_over_steps_has_steps_to_stand_on():
    """Reward, format, mean and sigma are joined with the step of the run, the x of each."""
    [training] = (path for path in DASHBOARDS if path.stem == "training")
    over = [panel for panel in panels(training) if panel["type"] == "xychart"]
    assert {panel["title"].partition(" over steps")[0] for panel in over} == {
        "Reward", "Format", "Moving mean", "Sigma",
    }  # fmt: skip
    for panel in over:
        [series] = panel["options"]["series"]
        x, *ys = panel["targets"]
        assert series["x"]["matcher"] == {"id": "byName", "options": x["legendFormat"]}
        assert [one.series for one in selections(x["expr"])] == ["job_run:reward_run_step:latest"]
        assert ys
        assert [one["id"] for one in panel["transformations"]] == ["joinByField"]
        assert panel["repeat"] == "run"


@dashboards
def test_a_panel_says_what_it_shows(path):
    """Every panel has a title and a sentence, stands in its place alone, and has its own number."""
    shown = panels(path)
    assert all(panel["title"] and panel["description"].endswith(".") for panel in shown)
    assert len({panel["id"] for panel in shown}) == len(shown)
    assert len({(panel["gridPos"]["x"], panel["gridPos"]["y"]) for panel in shown}) == len(shown)
