"""What the steps of runs come to, told to the metrics."""

import math

from rewards.advantages.step import Estimate
from service.engine.run_state import RunState
from service.state.records import Head
from service.telemetry.metrics import Metrics
from service.telemetry.runs import TaskStanding


class StepMetrics:
    """Follows runs: shows where they stand, counts what became of their groups."""

    def __init__(self, metrics: Metrics) -> None:
        self._metrics = metrics

    def moved(self, run: str, head: Head, estimate: Estimate | None = None) -> None:
        """Show a run at `head`; count what `estimate` folded, where a step brought it there."""
        state = RunState.decode(head.document)
        folded = estimate.folded if estimate else {}
        standings = {}
        for task, moments in state.tasks.items():
            sigma = moments.std(state.settings.std_floor)
            batch = folded.get(task)
            drift = math.sqrt(batch.variance) / sigma if batch and sigma else None
            standings[task] = TaskStanding(moments.mean, sigma, drift)
            if batch and sigma > math.sqrt(moments.variance):
                self._metrics.floored.labels(self._metrics.tasks.of(task)).inc()
        self._metrics.runs.show(run, standings, step=head.step)
        for (task, fate), number in (estimate.fates if estimate else {}).items():
            self._metrics.groups.labels(self._metrics.tasks.of(task), fate).inc(number)

    def removed(self, run: str) -> None:
        """Show a run no more."""
        self._metrics.runs.forget(run)
