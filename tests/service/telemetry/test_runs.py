"""Tests for `service.telemetry.runs`."""

import pytest
from prometheus_client import CollectorRegistry

from service.telemetry.runs import LatestRuns, TaskStanding
from service.telemetry.tasks import TaskLabels


@pytest.fixture
def runs():
    """A view of the two latest runs."""
    return LatestRuns(TaskLabels(["geometry"]), most=2, clock=iter(range(1, 99)).__next__)


def value(runs, name, **labels):
    """One series, None where it is not there."""
    registry = CollectorRegistry()
    registry.register(runs)
    return registry.get_sample_value(name, labels)


def test_a_task_shows_its_moving_average(runs):
    """Mean, deviation and drift stand under the run and the task, the time under the run."""
    runs.show("a", {"math": TaskStanding(0.5, 0.25, 2.0)}, step=7)
    assert value(runs, "reward_ema_mean", run="a", task="math") == 0.5
    assert value(runs, "reward_ema_sigma", run="a", task="math") == 0.25
    assert value(runs, "reward_ema_drift_ratio", run="a", task="math") == 2.0
    assert value(runs, "reward_run_moved_timestamp_seconds", run="a") == 1
    assert value(runs, "reward_run_step", run="a") == 7


def test_a_run_that_is_rewound_shows_an_earlier_step(runs):
    """The step is where the run stands, not how far it ever came."""
    runs.show("a", {"math": TaskStanding(0.5, 0.25)}, step=9)
    runs.show("a", {"math": TaskStanding(0.5, 0.25)}, step=4)
    assert value(runs, "reward_run_step", run="a") == 4


def test_only_the_latest_runs_are_shown(runs):
    """Whoever moved longest ago makes room, with every series."""
    for run in ("a", "b", "a", "c"):
        runs.show(run, {"math": TaskStanding(0.5, 0.25)}, step=7)
    shown = {sample.labels["run"] for family in runs.collect() for sample in family.samples}
    assert shown == {"a", "c"}


def test_a_run_that_is_removed_leaves_no_series(runs):
    """Of a deleted run nothing is left, and deleting one that is not shown is no trouble."""
    runs.show("a", {"math": TaskStanding(0.5, 0.25)}, step=7)
    runs.forget("a")
    runs.forget("never seen")
    assert [sample for family in runs.collect() for sample in family.samples] == []


def test_tasks_that_nobody_named_share_a_label(runs):
    """One of them is shown as it is; two by their mean and the root of their mean square."""
    runs.show("a", {"geometry": TaskStanding(9.0, 9.0), "x": TaskStanding(0.5, 3.0, 1.5)}, step=7)
    assert value(runs, "reward_ema_sigma", run="a", task="other") == 3.0
    assert value(runs, "reward_ema_mean", run="a", task="geometry") == 9.0
    runs.show("a", {"x": TaskStanding(0.5, 3.0), "y": TaskStanding(1.5, 4.0, 0.5)}, step=7)
    assert value(runs, "reward_ema_mean", run="a", task="other") == 1.0
    assert value(runs, "reward_ema_sigma", run="a", task="other") == pytest.approx(12.5**0.5)
    assert value(runs, "reward_ema_drift_ratio", run="a", task="other") == 0.5


def test_a_task_without_part_in_a_step_keeps_its_drift(runs):
    """What was last measured stands until something else is."""
    runs.show("a", {"math": TaskStanding(0.5, 0.25, 2.0)}, step=7)
    runs.show("a", {"math": TaskStanding(0.6, 0.25)}, step=7)
    assert value(runs, "reward_ema_drift_ratio", run="a", task="math") == 2.0
    assert value(runs, "reward_ema_mean", run="a", task="math") == 0.6
