"""What a run came to: each task's first quarter beside its last."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from rich.table import Table

from trainer_client.training.records import mean_or_none


@dataclass(frozen=True, slots=True)
class Change:
    """A mean over the first quarter of the steps, and over the last."""

    first: float | None
    last: float | None


@dataclass(frozen=True, slots=True)
class Progress:
    """How one task changed, and the sigma that it ended with."""

    task: str
    reward: Change
    accuracy: Change
    format: Change
    std: float | None


def measure_progress(steps: Sequence[Mapping[str, Any]]) -> list[Progress]:
    """Compare the quarters of a journal's steps, task by task."""
    return [
        Progress(
            task,
            reward=_change(read_task(steps, task, "reward")),
            accuracy=_change(read_task(steps, task, "accuracy")),
            format=_change(read_task(steps, task, "format")),
            std=next((std for std in read_task(steps[::-1], task, "std") if std is not None), None),
        )
        for task in list_tasks(steps)
    ]


def measure_reward(steps: Sequence[Mapping[str, Any]]) -> Change:
    """Compare the quarters of a journal's steps over all tasks.

    >>> measure_reward([{"reward": reward} for reward in (0.1, 0.5, 0.7, 0.9)])
    Change(first=0.1, last=0.9)
    """
    return _change([step["reward"] for step in steps])


def list_tasks(steps: Sequence[Mapping[str, Any]]) -> list[str]:
    """Return every task of a journal, in the order of their first step."""
    return list(dict.fromkeys(task for step in steps for task in step["tasks"]))


def read_task(steps: Sequence[Mapping[str, Any]], task: str, field: str) -> list[float | None]:
    """Return one field of one task at each step; None where the step did not ask for it."""
    return [step["tasks"].get(task, {}).get(field) for step in steps]


def _change(values: Sequence[float | None]) -> Change:
    quarter = max(1, len(values) // 4)
    return Change(mean_or_none(values[:quarter]), mean_or_none(values[-quarter:]))


def table_of(steps: Sequence[Mapping[str, Any]]) -> Table:
    """Lay the comparison out for a terminal, first quarter → last quarter."""
    table = Table("task", title="First quarter of the steps → last quarter")
    for name in ("reward", "accuracy", "format", "sigma"):
        table.add_column(name, justify="right")
    for row in measure_progress(steps):
        changes = (row.reward, row.accuracy, row.format)
        table.add_row(row.task, *map(_arrow, changes), _number(row.std))
    table.add_section()
    table.add_row("all", _arrow(measure_reward(steps)))
    return table


def _arrow(change: Change) -> str:
    return f"{_number(change.first)} → {_number(change.last)}"


def _number(value: float | None) -> str:
    return "-" if value is None else f"{value:.2f}"
