"""What all runs come to together: curves, last rewards, and shares of the gradient."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from statistics import fmean
from typing import Any

from examples.ablation.puzzles import LEVELS

SPAN = 10  # steps of which a curve shows the mean
LAST = 3  # spans at the end that count as what was reached
DIGITS = 4

Results = Mapping[str, Any]
OURS, TRLS = "ours", "TRL"


@dataclass(frozen=True, slots=True)
class Run:
    """What one run came to.

    `rewards` holds each task's mean reward at every step; `norms` the norms of the gradients of
    its prompts, by task and level, at every step that was measured.
    """

    trainer: str
    estimator: str
    seed: int
    rewards: Sequence[Mapping[str, float]]
    norms: Sequence[Mapping[str, Mapping[str, float]]] = ()

    @property
    def arm(self) -> str:
        """What the run shares with those of other seeds."""
        return self.estimator if self.trainer == OURS else f"{self.estimator}, {self.trainer}"


def sum_up(runs: Sequence[Run], measure_every: int) -> dict[str, Any]:
    """Return the results of all runs as a JSON object.

    For each arm `rewards` holds, by task and seed, the mean over each span of steps; `shares`
    the share of the gradient of each task and level over each span, a mean over the seeds.
    """
    arms: dict[str, list[Run]] = {}
    for run in sorted(runs, key=lambda run: run.seed):  # stable: arms stay in their order
        arms.setdefault(run.arm, []).append(run)
    return {
        "steps": len(runs[0].rewards),
        "span": SPAN,
        "seeds": sorted({run.seed for run in runs}),
        "arms": {
            name: {
                "rewards": {
                    task: [_spans([step[task] for step in run.rewards], 1) for run in some]
                    for task in some[0].rewards[0]
                },
                "shares": _shares(some, measure_every),
            }
            for name, some in arms.items()
        },
    }


def share(norms: Mapping[str, Mapping[str, float]]) -> dict[str, dict[str, float]]:
    """Return each task's and level's part of the sum of all norms.

    >>> share({"ocr": {"easy": 1.0, "hard": 2.0}, "numerical": {"easy": 1.0}})
    {'ocr': {'easy': 0.25, 'hard': 0.5}, 'numerical': {'easy': 0.25}}
    """
    whole = sum(norm for levels in norms.values() for norm in levels.values())
    return {
        task: {level: norm / whole if whole else 0.0 for level, norm in levels.items()}
        for task, levels in norms.items()
    }


def _shares(runs: Sequence[Run], measure_every: int) -> dict[str, dict[str, list[float]]]:
    measured = [[share(norms) for norms in run.norms] for run in runs]
    means = [_mean(some) for some in zip(*measured, strict=True)]
    tasks = means[0] if means else ()
    return {
        task: {
            level: _spans([shares[task][level] for shares in means], measure_every)
            for level in LEVELS
        }
        for task in tasks
    }


def _mean(some: Sequence[Mapping[str, Mapping[str, float]]]) -> dict[str, dict[str, float]]:
    return {
        task: {level: fmean(shares[task][level] for shares in some) for level in LEVELS}
        for task in some[0]
    }


def _spans(values: Sequence[float], every: int) -> list[float]:
    """Return the mean over each span of steps, of values that were taken every so many steps.

    >>> _spans([1, 2, 3, 4, 6], every=4)
    [2.0, 5.0]
    """
    spans: dict[int, list[float]] = {}
    for at, value in enumerate(values):
        spans.setdefault(at * every // SPAN, []).append(value)
    return [round(fmean(some), DIGITS) for some in spans.values()]


def read_results(path: Path) -> Results:
    """Read results that were written as JSON."""
    results: Results = json.loads(path.read_text(encoding="utf-8"))
    return results


def reached(results: Results, arm: str, task: str) -> list[float]:
    """Return the mean reward over the last spans, by seed."""
    return [fmean(curve[-LAST:]) for curve in results["arms"][arm]["rewards"][task]]


def began(results: Results, task: str) -> float:
    """Return the mean reward over the first span, over all seeds and arms."""
    arms = results["arms"].values()
    return fmean(curve[0] for arm in arms for curve in arm["rewards"][task])


def tasks_of(results: Results) -> list[str]:
    """Return the tasks, in the order of their first step."""
    return list(next(iter(results["arms"].values()))["rewards"])


def measured_arms(results: Results) -> list[str]:
    """Return the arms whose gradient was measured."""
    return [name for name, arm in results["arms"].items() if arm["shares"]]


def task_share(results: Results, arm: str, task: str) -> list[float]:
    """Return a task's share of the gradient over each span."""
    levels = results["arms"][arm]["shares"][task].values()
    return [sum(spans) for spans in zip(*levels, strict=True)]


def level_share(results: Results, arm: str, level: str) -> list[float]:
    """Return a level's share of its own task's gradient over each span, a mean over the tasks."""
    tasks = results["arms"][arm]["shares"]
    within = [_parts(tasks[task][level], task_share(results, arm, task)) for task in tasks]
    return [fmean(spans) for spans in zip(*within, strict=True)]


def _parts(some: Sequence[float], whole: Sequence[float]) -> list[float]:
    # Where a task had no gradient at all, no level had any.
    return [one / all_ if all_ else 0.0 for one, all_ in zip(some, whole, strict=True)]
