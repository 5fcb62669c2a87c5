"""The results as rows of tables."""

from collections.abc import Iterable, Sequence
from math import sqrt
from statistics import fmean, stdev

from examples.ablation.puzzles import LEVELS
from examples.ablation.results import (
    Results,
    began,
    level_share,
    measured_arms,
    reached,
    task_share,
    tasks_of,
)

COMPARED = (("ema_grpo", "grpo"), ("ema_grpo", "dr_grpo"), ("ema_grpo", "ema_grpo, TRL"))

Rows = list[Sequence[str]]


def reward_rows(results: Results) -> Rows:
    """Return what each arm reached at each task, and the spread of its seeds."""
    arms = list(results["arms"])
    return [
        ("mean reward", "first steps", *arms),
        *(
            (
                task,
                f"{began(results, task):.2f}",
                *(_spread(reached(results, arm, task)) for arm in arms),
            )
            for task in tasks_of(results)
        ),
    ]


def difference_rows(results: Results) -> Rows:
    """Return by how much one arm is above another, seed by seed, with standard errors."""
    return [
        ("difference", *(f"{one} above {other}" for one, other in COMPARED)),
        *(
            (task, *(_difference(results, task, one, other) for one, other in COMPARED))
            for task in tasks_of(results)
        ),
    ]


def share_rows(results: Results) -> Rows:
    """Return the shares of the gradient, means over all of training."""
    arms = measured_arms(results)
    return [
        ("share of the gradient", *arms),
        *(
            (task, *(_share(task_share(results, arm, task)) for arm in arms))
            for task in tasks_of(results)
        ),
        *(
            (f"{level}, of its task's", *(_share(level_share(results, arm, level)) for arm in arms))
            for level in LEVELS
        ),
    ]


def standard_error(values: Sequence[float]) -> float:
    """Return the standard error of a mean.

    >>> standard_error([1.0, 2.0, 3.0, 2.0])
    0.408248290463863
    """
    return stdev(values) / sqrt(len(values))


def _difference(results: Results, task: str, one: str, other: str) -> str:
    pairs = zip(reached(results, one, task), reached(results, other, task), strict=True)
    differences = [above - below for above, below in pairs]
    return f"{fmean(differences):+.3f} ± {standard_error(differences):.3f}"


def _spread(values: Sequence[float]) -> str:
    return f"{fmean(values):.2f} ± {stdev(values):.2f}"


def _share(spans: Iterable[float]) -> str:
    return f"{fmean(spans):.0%}"
