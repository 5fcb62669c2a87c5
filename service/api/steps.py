"""From steps and runs on the wire to those of the engine, and back."""

from dataclasses import asdict
from typing import Any

from rewards.advantages.filters import AccuracyFilter
from rewards.advantages.registry import find_estimator
from rewards.advantages.rollouts import Rollouts
from rewards.errors import BadRollouts, UnknownEstimator
from rewards.maths.moments import Moments
from service.api.problems import AtFields, pointer
from service.api.schemas.advantage import AdvantageRequest, FilterBounds, ShardPlace
from service.api.schemas.base import FieldError
from service.api.schemas.runs import RunState as RunStateRecord
from service.api.translate import read_spec
from service.container import Container
from service.engine.results import clean
from service.engine.run_state import RunSettings, RunState, describe_tasks
from service.engine.runs import Run
from service.engine.steps import Shard, StepRequest
from service.engine.update_line import UpdateLine
from service.errors import TooLarge

SCHEMA_VERSION = 1


def read_step(asked: AdvantageRequest, container: Container) -> StepRequest:
    """Return the step that is asked for; raise `TooLarge`, or `AtFields` naming what is wrong."""
    most = container.limits.rollouts
    if len(asked.rewards) > most:
        raise TooLarge(f"expected at most {most} rewards, got {len(asked.rewards)}", rollouts=most)
    spec = read_spec(asked.spec, container)
    try:
        return StepRequest(
            run=asked.run,
            step=asked.step,
            estimator=asked.estimator,
            spec=spec,
            rollouts=Rollouts(asked.rewards, asked.groups, _tasks(asked), asked.accuracy),
            accuracy_filter=_filter(asked.filter),
            shard=_shard(asked.shard),
            deadline_s=None if asked.deadline_ms is None else asked.deadline_ms / 1000,
        )
    except UnknownEstimator as error:
        raise AtFields(error, [FieldError(pointer="/estimator", detail=str(error))]) from None
    except BadRollouts as error:
        detail = clean(str(error))
        raise AtFields(error, [FieldError(pointer=pointer(*error.path), detail=detail)]) from None


def _filter(bounds: FilterBounds | None) -> AccuracyFilter | None:
    return None if bounds is None else AccuracyFilter(bounds.low, bounds.high)


def _shard(place: ShardPlace | None) -> Shard | None:
    return None if place is None else Shard(place.index, place.count)


def _tasks(asked: AdvantageRequest) -> list[str]:
    if asked.tasks is not None:
        return asked.tasks
    if find_estimator(asked.estimator).by_task:
        raise BadRollouts(f"{asked.estimator} needs the task of each rollout, got none", "tasks")
    return [""] * len(asked.rewards)


def write_run(run: Run) -> dict[str, Any]:
    """A run as it stands in a list."""
    return {
        "run": run.name,
        "step": run.step,
        "state_version": run.version,
        "created_at": run.created_at,
        "updated_at": run.updated_at,
    }


def write_detail(run: Run, oldest_step: int | None) -> dict[str, Any]:
    """A run by itself."""
    return {
        **write_run(run),
        "settings": asdict(run.state.settings),
        "tasks": describe_tasks(run.state.tasks, floor=run.state.settings.std_floor),
        "oldest_step": oldest_step,
    }


def write_line(line: UpdateLine, settings: RunSettings) -> dict[str, Any]:
    """A step of a run's history."""
    return {
        "event": line.event,
        "step": line.step,
        "state_version": line.mark.version,
        "at": line.at,
        "inputs": line.inputs,
        "tasks": describe_tasks(line.after, floor=settings.std_floor),
    }


def write_state(run: Run) -> dict[str, Any]:
    """All that a run's next step starts from."""
    return {
        "schema_version": SCHEMA_VERSION,
        "run": run.name,
        "step": run.step,
        "state_version": run.version,
        "settings": asdict(run.state.settings),
        "tasks": {task: asdict(moments) for task, moments in run.state.tasks.items()},
    }


def read_state(record: RunStateRecord) -> Run:
    """Return the run that was exported; raise `AtFields` for an estimator that there is not."""
    try:
        find_estimator(record.settings.estimator)
    except UnknownEstimator as error:
        at = FieldError(pointer="/settings/estimator", detail=str(error))
        raise AtFields(error, [at]) from None
    tasks = {task: Moments(of.mean, of.variance, of.updates) for task, of in record.tasks.items()}
    state = RunState(RunSettings(**record.settings.model_dump()), tasks)
    return Run(record.run, record.step, record.state_version, state, created_at=0, updated_at=0)
