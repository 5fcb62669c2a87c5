"""The records of `/runs`."""

from typing import Annotated, Literal

from pydantic import Field, FiniteFloat

from rewards.advantages.rollouts import LARGEST_REWARD
from service.api.schemas.advantage import TaskMoments
from service.api.schemas.base import WHOLE, Label, Name, Step, WireModel

MOST_TASKS = 100_000

Count = Annotated[int, Field(ge=0, le=2**53 - 1), WHOLE]
Constant = Annotated[FiniteFloat, Field(ge=0)]


class RunSummary(WireModel):
    """A run and where it stands."""

    run: str
    step: int | None
    """The last step taken; null before the first."""
    state_version: int
    """How many steps it has taken."""
    created_at: float
    """Seconds since 1970."""
    updated_at: float
    """Seconds since 1970."""


class Runs(WireModel):
    """Runs by name."""

    runs: list[RunSummary]
    next: str | None
    """What to send as `after` for the next page; null on the last."""


class RunSettings(WireModel):
    """What the first step of a run pinned."""

    estimator: Label
    spec: Label
    digest: Label
    """Of the spec, every constant included."""
    ema_decay: Annotated[FiniteFloat, Field(ge=0, le=1)]
    std_floor: Constant
    std_epsilon: Constant
    advantage_limit: Constant
    limit_rule: Literal["group_std", "clip"]


class RunDetail(RunSummary):
    """A run, what it is pinned to, and its moving averages."""

    settings: RunSettings
    tasks: dict[str, TaskMoments]
    oldest_step: int | None
    """The earliest step whose record is kept: a rewind reaches back to it."""


class HistoryStep(WireModel):
    """What one step did."""

    event: Literal["step", "import"]
    step: int
    state_version: int
    at: float
    """Seconds since 1970."""
    inputs: str
    """SHA-256 of what was sent."""
    tasks: dict[str, TaskMoments]
    """Every task after the step."""


class History(WireModel):
    """Steps of a run, the earliest first."""

    run: str
    steps: list[HistoryStep]
    next: int | None
    """What to send as `after` for the next page; null on the last."""


class Rewind(WireModel):
    """Where to put a run back to."""

    step: Step
    """The last step that shall count."""
    expected_version: Count | None = None
    """Refuse unless the run is at this `state_version`."""


class CloseStep(WireModel):
    """The streamed step to fold."""

    step: Step
    """All rewards of which were sent."""
    spec: Label | None = None
    """The spec that they were scored under; by default `default_spec` of `GET /info`."""


class StoredMoments(WireModel):
    """A task's moving average, to the last bit."""

    mean: Annotated[FiniteFloat, Field(ge=-LARGEST_REWARD, le=LARGEST_REWARD)]
    variance: Annotated[FiniteFloat, Field(ge=0)]
    updates: Annotated[int, Field(ge=1, le=2**53 - 1), WHOLE]


class RunState(WireModel):
    """All that a run's next step starts from, to be kept elsewhere and brought in again."""

    schema_version: Literal[1]
    run: Name
    """Where it came from; it may be brought in under another name."""
    step: Step | None
    state_version: Count
    settings: RunSettings
    tasks: Annotated[dict[Label, StoredMoments], Field(max_length=MOST_TASKS)]
