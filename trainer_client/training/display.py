"""What a person sees while a run goes on: a bar, and how the last step went."""

from typing import Self

from rich.console import Console
from rich.progress import (
    BarColumn,
    MofNCompleteColumn,
    Progress,
    TextColumn,
    TimeElapsedColumn,
    TimeRemainingColumn,
)

from trainer_client.training.records import RAW_SCORE, EvaluationRecord, StepRecord, TaskRecord


class Display:
    """A progress bar over a run's steps; evaluations are printed above it."""

    def __init__(self, steps: int, console: Console) -> None:
        self._bar = Progress(
            TextColumn("training"),
            BarColumn(bar_width=None),
            MofNCompleteColumn(),
            TextColumn("{task.fields[news]}"),
            TimeElapsedColumn(),
            TimeRemainingColumn(),
            console=console,
        )
        self._task = self._bar.add_task("training", total=steps, news="first step …")

    def watch(self, record: StepRecord | EvaluationRecord) -> None:
        """Show a record."""
        if isinstance(record, StepRecord):
            self._bar.update(self._task, completed=record.step, news=_news(record))
        else:
            self._bar.console.print(f"evaluation after step {record.step}: {_tasks(record)}")

    def __enter__(self) -> Self:
        self._bar.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._bar.stop()


def _news(record: StepRecord) -> str:
    return f"reward {_number(record.reward)}  kl {record.update.kl:.3f}  {record.length:.0f} tokens"


def _tasks(record: EvaluationRecord) -> str:
    own = ", ".join(f"{name} {_task(task)}" for name, task in record.tasks.items())
    return f"reward {_number(record.reward)} ({own})"


def _task(record: TaskRecord) -> str:
    if record.reward is None and RAW_SCORE in record.parts:
        return f"raw score {_number(record.parts[RAW_SCORE])}"
    return _number(record.reward)


def _number(value: float | None) -> str:
    return "unscored" if value is None else f"{value:.2f}"
