"""The records of `POST /reward`."""

import math
from typing import Annotated, Literal

from pydantic import AfterValidator, FailFast, Field, FiniteFloat, JsonValue, StringConstraints

from service.api.schemas.base import WHOLE, ItemError, Label, Name, Step, WireModel
from service.api.schemas.media import ItemMedia

LONGEST_DEADLINE_MS = 3_600_000
MOST_ITEMS = 65_536
LONGEST_MEDIA_TYPE = 64


def _finite(value: JsonValue) -> JsonValue:
    pending = [value]
    while pending:
        match pending.pop():
            case float(number) if not math.isfinite(number):
                raise ValueError(f"expected finite numbers, got {number}")
            case list(items):
                pending.extend(items)
            case dict(entries):
                pending.extend(entries.values())
    return value


FiniteJson = Annotated[JsonValue, AfterValidator(_finite)]


class RewardItem(WireModel):
    """One rollout to be scored."""

    kind: Label
    """How to score it: a name or alias of `GET /kinds`, in any case."""
    response: str
    """All that the policy wrote, tags included."""
    ground_truth: FiniteJson
    """What the answer is judged against, as text or as JSON."""
    id: Label | None = None
    """Comes back with the result."""
    media_type: Annotated[str, StringConstraints(max_length=LONGEST_MEDIA_TYPE)] | None = None
    """`image` or `video` where the kind tells them apart."""
    prompt: str | None = None
    """What the policy was asked; needed where a reward model reads it."""
    group: Label | None = None
    """The prompt whose rollouts belong together."""
    task: Label | None = None
    """The task whose moving average this item belongs to; by default the kind."""
    media: ItemMedia | None = None
    """The image or video that the kind needs."""


class RewardRequest(WireModel):
    """A batch of rollouts to be scored under one spec."""

    items: Annotated[list[RewardItem], FailFast(), Field(max_length=MOST_ITEMS)]
    """At most `limits.items` of `GET /info`."""
    spec: Label | None = None
    """A name of `GET /specs`; by default `default_spec` of `GET /info`."""
    run: Name | None = None
    """The training job this batch belongs to."""
    step: Step | None = None
    """The step of the run; needed where rewards are scaled."""
    scale: Literal["ema"] | None = None
    """Add `scaled_reward` to each result: the reward divided by its task's deviation after the
    last step before this one, the same for all of the step. Needs `run`, `step`, and the `id` and
    `group` of each item. The rewards are folded when the step is closed, by
    `POST /runs/{run}/close` or the first request of a later step."""
    deadline_ms: Annotated[int, Field(ge=1, le=LONGEST_DEADLINE_MS), WHOLE] | None = None
    """Items not scored after this time come back unscored and retryable."""


class SpecReference(WireModel):
    """The constants that made the numbers."""

    name: str
    version: int
    digest: str
    """`sha256:` and the hash of every constant."""


class RewardResult(WireModel):
    """What came of one item."""

    id: str | None
    """As in the request."""
    status: Literal["scored", "unscored"]
    """`unscored` items have no verdict; that is never the same as a 0."""
    reward: FiniteFloat | None
    """What a trainer uses; null when unscored."""
    accuracy: FiniteFloat | None
    """How right the answer is; null when unscored."""
    format: FiniteFloat
    """1 when the response has the right tags."""
    structure: FiniteFloat
    """What the shape of the answer earns."""
    parts: dict[str, FiniteFloat]
    """The quantities that the accuracy was made of."""
    scorer: str | None
    """What judged the answer: a rule, or the name of a model; null when unscored."""
    reason: str | None
    """Why a scored answer missed."""
    error: ItemError | None
    """Why an unscored item has no verdict."""
    scaled_reward: FiniteFloat | None = None
    """The reward over its task's deviation; only there where `scale` was asked for."""


class RewardAnswer(WireModel):
    """The results, in the order of the items."""

    spec: SpecReference
    results: list[RewardResult]
