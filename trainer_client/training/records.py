"""What a step or an evaluation came to, in all and task by task."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from statistics import fmean

from trainer_client.training.data import Question
from trainer_client.training.learning import Update
from trainer_client.wire.advantages import AdvantageResponse
from trainer_client.wire.rewards import ItemResult


@dataclass(frozen=True, slots=True)
class TaskRecord:
    """One task's share of a batch: means over its scored rollouts, None where there are none.

    `length` is in tokens, over all its rollouts. Of training steps only: `kept` is the share
    of its rollouts that passed the filter, `std` the task's sigma after the step.
    """

    rollouts: int
    scored: int
    reward: float | None
    accuracy: float | None
    format: float | None
    structure: float | None
    length: float
    kept: float | None = None
    std: float | None = None


@dataclass(frozen=True, slots=True)
class StepRecord:
    """One step of training; `seconds` by phase. `reward` is the mean over all scored rollouts."""

    step: int
    reward: float | None
    unscored: int
    kept: float
    length: float
    update: Update
    learning_rate: float
    seconds: Mapping[str, float]
    tasks: Mapping[str, TaskRecord]


@dataclass(frozen=True, slots=True)
class EvaluationRecord:
    """How the held-out questions were answered after `step` steps, one likeliest response each."""

    step: int
    reward: float | None
    tasks: Mapping[str, TaskRecord]


def record_tasks(
    questions: Sequence[Question],
    verdicts: Sequence[ItemResult],
    lengths: Sequence[int],
    weighed: AdvantageResponse | None = None,
) -> dict[str, TaskRecord]:
    """Sum up a batch by task; `verdicts` and `lengths` stand by rollout, groups in order."""
    size = len(verdicts) // len(questions)
    rows: dict[str, list[int]] = {}
    for row in range(len(verdicts)):
        rows.setdefault(questions[row // size].task_key, []).append(row)
    return {task: _record(task, own, verdicts, lengths, weighed) for task, own in rows.items()}


def _record(
    task: str,
    rows: Sequence[int],
    verdicts: Sequence[ItemResult],
    lengths: Sequence[int],
    weighed: AdvantageResponse | None,
) -> TaskRecord:
    own = [verdicts[row] for row in rows if verdicts[row].scored]
    moments = weighed.tasks.get(task) if weighed else None
    return TaskRecord(
        rollouts=len(rows),
        scored=len(own),
        reward=mean_or_none(verdict.reward for verdict in own),
        accuracy=mean_or_none(verdict.accuracy for verdict in own),
        format=mean_or_none(verdict.format for verdict in own),
        structure=mean_or_none(verdict.structure for verdict in own),
        length=fmean(lengths[row] for row in rows),
        kept=fmean(weighed.kept[row] for row in rows) if weighed else None,
        std=moments.std if moments else None,
    )


def mean_or_none(values: Iterable[float | None]) -> float | None:
    """Return the mean of what is there; None is no number and takes no part.

    >>> mean_or_none([1.0, None, 0.0])
    0.5
    """
    present = [value for value in values if value is not None]
    return fmean(present) if present else None
