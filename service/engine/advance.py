"""How a run moves on by one step: where it stands and a batch go in, a write comes out."""

from dataclasses import dataclass

from rewards.advantages.filters import AccuracyFilter
from rewards.advantages.rollouts import Rollouts
from rewards.advantages.step import Estimate, take_step
from rewards.specs import Spec
from service.engine.run_state import RunSettings, RunState
from service.engine.update_line import UpdateLine
from service.errors import RunSettingsDiffer, StepOutOfOrder
from service.state.records import Head, Mark, Record


@dataclass(frozen=True, slots=True, kw_only=True)
class Batch:
    """Everything that a step folds, and how; `inputs` is a digest of what was sent."""

    run: str
    step: int
    estimator: str
    spec: Spec
    rollouts: Rollouts
    inputs: str
    accuracy_filter: AccuracyFilter | None = None


@dataclass(frozen=True, slots=True)
class Advanced:
    """Where the run stands after a step, the record of it, and its estimate."""

    head: Head
    record: Record
    estimate: Estimate


def check_settings(head: Head | None, run: str, settings: RunSettings) -> None:
    """Raise `RunSettingsDiffer` unless the run, standing at `head`, is pinned to `settings`."""
    if head is None:
        return
    differences = RunState.decode(head.document).settings.differences(settings)
    if differences:
        raise RunSettingsDiffer(
            f"run {run!r} is pinned to other settings by its first step: expected what is pinned,"
            f" got another {', '.join(differences)}",
            differences=differences,
        )


def check_order(head: Head | None, run: str, step: int) -> None:
    """Raise `StepOutOfOrder` unless `step` comes after where the run stands."""
    if head is not None and step <= head.step:
        raise StepOutOfOrder(
            f"run {run!r} has taken step {head.step}: expected a later one, or an exact replay"
            f" that is still kept; got step {step}",
            step=step,
            last_step=head.step,
        )


def advance(batch: Batch, head: Head | None, *, now: float) -> Advanced:
    """Take a step that is in order, under the settings of the run, from `head` on."""
    settings = RunSettings.of(batch.estimator, batch.spec)
    before = RunState.decode(head.document) if head else RunState(settings)
    estimate = take_step(
        batch.rollouts,
        before.tasks,
        spec=batch.spec,
        estimator=batch.estimator,
        accuracy_filter=batch.accuracy_filter,
    )
    mark = Mark(head.mark.generation, head.mark.version + 1) if head else Mark(generation(now), 1)
    line = UpdateLine(
        event="step",
        run=batch.run,
        mark=mark,
        step=batch.step,
        at=now,
        inputs=batch.inputs,
        decay=batch.spec.ema_decay,
        before={task: before.tasks[task] for task in estimate.folded if task in before.tasks},
        batch=estimate.folded,
        after=estimate.state,
    )
    document = RunState(settings, estimate.state).encode()
    return Advanced(
        Head(mark, batch.step, document, head.created_at if head else now, now),
        Record(batch.step, line.encode()),
        estimate,
    )


def generation(now: float, before: int = 0) -> int:
    """Return a generation that no earlier run of the same name has had: milliseconds, at least.

    >>> generation(2.5), generation(2.5, before=2500)
    (2500, 2501)
    """
    return max(round(now * 1000), before + 1)
