"""Where the latest runs stand, as metrics: of few runs, for their names are the callers'."""

import math
import time
from collections import OrderedDict
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass

from prometheus_client.core import GaugeMetricFamily
from prometheus_client.registry import Collector

from service.telemetry.tasks import TaskLabels

BY_TASK = {
    "mean": ("reward_ema_mean", "Moving average of the rewards of a run's task."),
    "sigma": ("reward_ema_sigma", "Moving deviation that a run's task is divided by."),
    "drift": (
        "reward_ema_drift_ratio",
        "Deviation of the last step that a task had part in, over its sigma then; steady near 1.",
    ),
}
MOVED = (
    "reward_run_moved_timestamp_seconds",
    "When this replica last moved a run; of several replicas the latest one is right.",
)

STEP = ("reward_run_step", "The last step of a run that this replica knows of.")


@dataclass(frozen=True, slots=True)
class TaskStanding:
    """The moving average of a task, and how the last step's own deviation compares with it."""

    mean: float
    sigma: float
    drift: float | None = None


@dataclass(frozen=True, slots=True)
class _Standing:
    """When a run was moved, to which step, and its tasks by label."""

    moved_at: float
    step: int
    tasks: Mapping[str, TaskStanding]


class LatestRuns(Collector):
    """Shows the `most` runs that this replica moved last; the series of the others are gone.

    Tasks without a label of their own share `other`: the mean of their means, the root of their
    mean σ², the largest drift; of one such task, just its numbers.
    """

    def __init__(
        self, tasks: TaskLabels, *, most: int, clock: Callable[[], float] = time.time
    ) -> None:
        self._tasks, self._most, self._clock = tasks, most, clock
        self._runs: OrderedDict[str, _Standing] = OrderedDict()

    def show(self, run: str, standings: Mapping[str, TaskStanding], *, step: int) -> None:
        """Show where a run stands after `step`; a task keeps its drift until it has another."""
        known = self._runs.pop(run, None)
        before = known.tasks if known else {}
        by_label: dict[str, list[TaskStanding]] = {}
        for task, standing in standings.items():
            by_label.setdefault(self._tasks.of(task), []).append(standing)
        pooled = {label: _pool(some) for label, some in by_label.items()}
        self._runs[run] = _Standing(
            self._clock(),
            step,
            {label: _with_drift(standing, before.get(label)) for label, standing in pooled.items()},
        )
        while len(self._runs) > self._most:
            self._runs.popitem(last=False)

    def forget(self, run: str) -> None:
        """Show a run no more."""
        self._runs.pop(run, None)

    def describe(self) -> list[GaugeMetricFamily]:
        """The families without samples."""
        return [*self._families().values(), *_by_run()]

    def collect(self) -> Iterator[GaugeMetricFamily]:
        """Yield a gauge for each number of each task, one for the time and one for the step."""
        families, (moved, step) = self._families(), _by_run()
        for run, known in self._runs.items():
            moved.add_metric([run], known.moved_at)
            step.add_metric([run], known.step)
            for task, standing in known.tasks.items():
                families["mean"].add_metric([run, task], standing.mean)
                families["sigma"].add_metric([run, task], standing.sigma)
                if standing.drift is not None:
                    families["drift"].add_metric([run, task], standing.drift)
        yield from families.values()
        yield from (moved, step)

    def _families(self) -> dict[str, GaugeMetricFamily]:
        labels = ["run", "task"]
        return {name: GaugeMetricFamily(*what, labels=labels) for name, what in BY_TASK.items()}


def _by_run() -> list[GaugeMetricFamily]:
    return [GaugeMetricFamily(*what, labels=["run"]) for what in (MOVED, STEP)]


def _pool(standings: Sequence[TaskStanding]) -> TaskStanding:
    if len(standings) == 1:
        return standings[0]
    count = len(standings)
    drifts = [one.drift for one in standings if one.drift is not None]
    return TaskStanding(
        mean=math.fsum(one.mean for one in standings) / count,
        sigma=math.hypot(*(one.sigma for one in standings)) / math.sqrt(count),
        drift=max(drifts, default=None),
    )


def _with_drift(standing: TaskStanding, before: TaskStanding | None) -> TaskStanding:
    if standing.drift is not None or before is None:
        return standing
    return TaskStanding(standing.mean, standing.sigma, before.drift)
