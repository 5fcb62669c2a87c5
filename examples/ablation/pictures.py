"""The results as pictures."""

from pathlib import Path
from statistics import fmean
from typing import Any

from examples.ablation.puzzles import LEVELS
from examples.ablation.results import (
    Results,
    level_share,
    measured_arms,
    task_share,
    tasks_of,
)
from trainer_client.training.plots import COLOURS

DPI = 90


def draw_rewards(results: Results, path: Path) -> None:
    """Draw the reward of each task: a line an arm, and the range of its seeds."""
    figure, places = _figure(1, len(tasks_of(results)))
    (places,) = places
    for axes, task in zip(places, tasks_of(results), strict=True):
        for colour, (name, arm) in zip(COLOURS, results["arms"].items(), strict=False):
            by_span = list(zip(*arm["rewards"][task], strict=True))
            steps = [results["span"] * (at + 0.5) for at in range(len(by_span))]
            style = "-" if arm["shares"] else "--"
            axes.plot(steps, [fmean(some) for some in by_span], style, color=colour, label=name)
            lowest, highest = map(min, by_span), map(max, by_span)
            axes.fill_between(steps, list(lowest), list(highest), color=colour, alpha=0.12)
        axes.set(title=task, xlabel="step")
    places[0].set(ylabel="mean reward")
    places[-1].legend(frameon=False, fontsize="small")
    _save(figure, places, path)


def draw_shares(results: Results, path: Path) -> None:
    """Draw the shares of the gradient: tasks above, levels within their task below."""
    arms = measured_arms(results)
    figure, places = _figure(2, len(arms))
    for above, below, arm in zip(places[0], places[1], arms, strict=True):
        for colour, task in zip(COLOURS, tasks_of(results), strict=False):
            _line(above, results, task_share(results, arm, task), colour, task)
        for colour, level in zip(COLOURS[4:], LEVELS, strict=False):
            _line(below, results, level_share(results, arm, level), colour, level)
        above.axhline(1 / len(tasks_of(results)), color="grey", linewidth=0.7, linestyle=":")
        below.axhline(1 / len(LEVELS), color="grey", linewidth=0.7, linestyle=":")
        above.set(title=arm, ylim=(0, 0.8))
        below.set(xlabel="step", ylim=(0, 0.8))
    places[0][0].set(ylabel="share of the gradient")
    places[1][0].set(ylabel="share within the task")
    for row in places:
        row[-1].legend(frameon=False, fontsize="small")
    _save(figure, places.flatten(), path)


def _line(axes: Any, results: Results, values: list[float], colour: str, label: str) -> None:
    steps = [results["span"] * (at + 0.5) for at in range(len(values))]
    axes.plot(steps, values, color=colour, label=label)


def _figure(rows: int, columns: int) -> tuple[Any, Any]:
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    figure = Figure(figsize=(3.2 * columns, 2.7 * rows), layout="constrained")
    FigureCanvasAgg(figure)
    return figure, figure.subplots(rows, columns, squeeze=False)


def _save(figure: Any, places: Any, path: Path) -> None:
    for axes in places:
        axes.spines[["top", "right"]].set_visible(False)
        axes.grid(alpha=0.25)
    figure.savefig(path, dpi=DPI)
