"""A picture of a run: reward and sigma of every task, step by step."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from trainer_client.training.records import mean_or_none
from trainer_client.training.report import list_tasks, read_task

# Told apart by colour-blind readers too (Okabe and Ito, 2008).
COLOURS = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9", "#000000", "#F0E442")
WINDOW = 5


def draw_run(steps: Sequence[Mapping[str, Any]], path: Path, *, title: str) -> None:
    """Draw a journal's steps into a PNG: rewards on the left, the service's sigmas on the right.

    Thin lines are single steps, thick ones a mean over the last five.
    """
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    figure = Figure(figsize=(10, 4), layout="constrained")
    FigureCanvasAgg(figure)
    rewards, sigmas = figure.subplots(1, 2)
    numbers = [step["step"] for step in steps]
    for index, task in enumerate(list_tasks(steps)):
        colour = COLOURS[index % len(COLOURS)]
        values = read_task(steps, task, "reward")
        rewards.plot(numbers, _floats(values), color=colour, linewidth=0.7, alpha=0.5)
        rewards.plot(numbers, _floats(_smooth(values)), color=colour, linewidth=2, label=task)
        sigmas.plot(numbers, _floats(read_task(steps, task, "std")), color=colour, linewidth=2)
    rewards.set(title=title, xlabel="step", ylabel="mean reward")
    sigmas.set(title="moving sigma of each task", xlabel="step", ylabel="sigma", ylim=(0, None))
    rewards.legend(frameon=False, fontsize="small")
    for axes in (rewards, sigmas):
        axes.spines[["top", "right"]].set_visible(False)
        axes.grid(alpha=0.25)
        axes.xaxis.get_major_locator().set_params(integer=True)
    figure.savefig(path, dpi=110)


def _smooth(values: Sequence[float | None]) -> list[float | None]:
    return [mean_or_none(values[max(0, i - WINDOW + 1) : i + 1]) for i in range(len(values))]


def _floats(values: Sequence[float | None]) -> list[float]:
    # matplotlib leaves a gap where a number is missing.
    return [float("nan") if value is None else value for value in values]
