"""What can go wrong while scoring, split by what the caller should do.

RewardError
├── BadRequest            fix the request
│   ├── UnknownKind       no kind of that name or alias
│   ├── UnknownSpec       no spec of that name
│   ├── BadSpec           a spec file that cannot be used
│   ├── UnknownEstimator  no advantage estimator of that name
│   ├── BadRollouts       rewards, groups and tasks that do not make a step
│   ├── MissingInput      the kind needs a field that the item does not have
│   ├── BadMedia          an image or video that cannot be decoded, or not what it should be
│   └── NoModel           the spec asks for a reward model and none is configured
├── BadTruth              fix the dataset: this item's ground truth cannot be read
├── BadModel              fix the deployment: a model's files or address cannot be used
├── ScorerFailed          tell us: a rule broke on this item, which is a defect of the rule
└── ScorerUnavailable     try again: the scorer, not the answer, is in trouble
    ├── ModelFailed       a model server or a device did not answer, or not with a score
    ├── OutOfTime         the deadline came first
    └── WorkerDied        the process that scored this item was lost
"""

import traceback
from pathlib import Path
from typing import ClassVar, Self


class RewardError(Exception):
    """Base of every error this package raises.

    `code` is stable and machine-readable; `retryable` says whether the same item may fare
    better a second time.
    """

    code: ClassVar[str] = "reward_error"
    retryable: ClassVar[bool] = False


class BadRequest(RewardError):
    """The caller asked for something that does not exist or is incomplete."""

    code = "bad_request"


class UnknownKind(BadRequest):
    """No reward kind answers to the given name."""

    code = "unknown_kind"


class UnknownSpec(BadRequest):
    """No spec has the given name."""

    code = "unknown_spec"


class BadSpec(BadRequest):
    """A spec names an unknown constant or gives one a value it cannot have."""

    code = "bad_spec"


class UnknownEstimator(BadRequest):
    """No advantage estimator has the given name."""

    code = "unknown_estimator"


class BadRollouts(BadRequest):
    """Rewards, groups, tasks and accuracies that no estimator can read as one step.

    `path` leads to what is wrong: a column and, maybe, a position in it.

    >>> print(BadRollouts("expected a number, got nan", "rewards", 3))
    rewards[3]: expected a number, got nan
    """

    code = "bad_rollouts"

    def __init__(self, why: str, *path: str | int) -> None:
        place = "".join(part if isinstance(part, str) else f"[{part}]" for part in path)
        super().__init__(f"{place}: {why}" if place else why)
        self.path = path


class MissingInput(BadRequest):
    """The kind needs a field (a prompt, an image) that the item does not carry."""

    code = "missing_input"


class BadMedia(BadRequest):
    """The image or video cannot be decoded, or is not what the item needs."""

    code = "bad_media"


class NoModel(BadRequest):
    """The spec asks for a reward model, and this service was started without one."""

    code = "no_model"


class BadTruth(RewardError):
    """The ground truth cannot be read, so no answer can be judged against it."""

    code = "bad_ground_truth"


class BadModel(RewardError):
    """A model's files or address cannot be used as they stand; raised at start-up only."""

    code = "bad_model"


class ScorerFailed(RewardError):
    """The rule broke on this item: a defect of the rule, whatever the answer is."""

    code = "scorer_failed"

    @classmethod
    def of(cls, error: Exception) -> Self:
        """Tell what broke and where; its own message may hold what was to be scored."""
        place = traceback.extract_tb(error.__traceback__)[-1]
        name = Path(place.filename).name
        return cls(f"the rule failed with {type(error).__name__} at {name}:{place.lineno}")


class ScorerUnavailable(RewardError):
    """The machine is in trouble; the answer has not been judged."""

    code = "scorer_unavailable"
    retryable = True


class ModelFailed(ScorerUnavailable):
    """A reward model did not answer, or answered with something that is no score."""

    code = "model_failed"


class OutOfTime(ScorerUnavailable):
    """The deadline passed before the item was scored."""

    code = "deadline_exceeded"


class WorkerDied(ScorerUnavailable):
    """The process that scored this item was lost."""

    code = "worker_died"
