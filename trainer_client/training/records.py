"""What a step or an evaluation came to, in all and task by task."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from statistics import fmean

from trainer_client.training.data import Question
from trainer_client.training.learning import Update
from trainer_client.wire.advantages import AdvantageResponse
from trainer_client.wire.rewards import ItemResult

RAW_SCORE = "raw_score"
"""The part that says what a reward model scored, whatever accuracy the spec makes of it."""


@dataclass(frozen=True, slots=True)
class TaskRecord:
    """One task's share of a batch: means over its scored rollouts, None where there are none.

    `length` is in tokens, over all its rollouts. `parts` are the means of what its kind measures
    besides, such as an IoU. Of training steps only: `kept` is the share of its rollouts that
    passed the filter, `std` the task's sigma after the step. Of evaluations only: `reward` and
    `accuracy` are None where they would be a place within a group of one (see `evaluate`).
    """

    rollouts: int
    scored: int
    reward: float | None
    accuracy: float | None
    format: float | None
    structure: float | None
    length: float
    parts: Mapping[str, float]
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
    """How the held-out questions were answered after `step` steps, one likeliest response each.

    `reward` is the mean over the scored ones whose reward does not depend on a group.
    """

    step: int
    reward: float | None
    tasks: Mapping[str, TaskRecord]


def record_tasks(
    questions: Sequence[Question],
    verdicts: Sequence[ItemResult],
    lengths: Sequence[int],
    weighed: AdvantageResponse | None = None,
    *,
    relative: bool = False,
) -> dict[str, TaskRecord]:
    """Sum up a batch by task; `verdicts` and `lengths` stand by rollout, groups in order.

    `relative`: where a model scored, reward and accuracy say nothing and are left out.
    """
    size = len(verdicts) // len(questions)
    rows: dict[str, list[int]] = {}
    for row in range(len(verdicts)):
        rows.setdefault(questions[row // size].task_key, []).append(row)
    records = {}
    for task, own in rows.items():
        records[task] = _record(
            [verdicts[row] for row in own], [lengths[row] for row in own], relative=relative
        )
        if weighed:
            moments = weighed.tasks.get(task)
            records[task] = replace(
                records[task],
                kept=fmean(weighed.kept[row] for row in own),
                std=moments.std if moments else None,
            )
    return records


def absolute(verdicts: Sequence[ItemResult]) -> list[ItemResult]:
    """Return the verdicts whose reward does not depend on the rest of their group."""
    return [verdict for verdict in verdicts if RAW_SCORE not in verdict.parts]


def _record(
    verdicts: Sequence[ItemResult], lengths: Sequence[int], *, relative: bool
) -> TaskRecord:
    own = [verdict for verdict in verdicts if verdict.scored]
    telling = absolute(own) if relative else own
    return TaskRecord(
        rollouts=len(verdicts),
        scored=len(own),
        reward=mean_or_none(verdict.reward for verdict in telling),
        accuracy=mean_or_none(verdict.accuracy for verdict in telling),
        format=mean_or_none(verdict.format for verdict in own),
        structure=mean_or_none(verdict.structure for verdict in own),
        length=fmean(lengths),
        parts=_mean_parts(own),
    )


def _mean_parts(verdicts: Sequence[ItemResult]) -> dict[str, float]:
    names = dict.fromkeys(name for verdict in verdicts for name in verdict.parts)
    # A part is missing where an answer could not be read: it was not measured there.
    return {
        name: fmean(verdict.parts[name] for verdict in verdicts if name in verdict.parts)
        for name in names
    }


def mean_or_none(values: Iterable[float | None]) -> float | None:
    """Return the mean of what is there; None is no number and takes no part.

    >>> mean_or_none([1.0, None, 0.0])
    0.5
    """
    present = [value for value in values if value is not None]
    return fmean(present) if present else None
