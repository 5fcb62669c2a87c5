"""The records of the frameworks' own dialects; fields that a framework adds are let through."""

from typing import Annotated, Literal

from pydantic import ConfigDict, Field, FiniteFloat, RootModel

from rewards.advantages.rollouts import LARGEST_REWARD
from service.api.schemas.base import WireModel
from service.api.schemas.reward import FiniteJson


class DialectModel(WireModel):
    """A record in a framework's words; what is not read is ignored."""

    model_config = ConfigDict(extra="ignore")


class OpenRlhfBatch(DialectModel):
    """What OpenRLHF asks about; the lists stand side by side, and may be empty."""

    query: list[str]
    """Prompt and response as the model saw them, special tokens included."""
    prompts: list[str] | None = None
    """The rendered prompts."""
    labels: list[FiniteJson] | None = None
    """Ground truths, or items written as JSON."""


class OpenRlhfLogs(WireModel):
    """What OpenRLHF logs beside the rewards: always these, always numbers."""

    accuracy: list[FiniteFloat]
    format: list[FiniteFloat]
    structure: list[FiniteFloat]
    scored: list[FiniteFloat]
    """1, or 0 for a reward that stands in for none."""


class OpenRlhfAnswer(WireModel):
    """Numbers side by side with the queries."""

    rewards: list[FiniteFloat]
    scores: list[FiniteFloat]
    """The accuracies, which dynamic filtering reads."""
    extra_logs: OpenRlhfLogs


class SlimeSample(DialectModel):
    """What slime asks about."""

    response: str
    """What the policy wrote."""
    prompt: FiniteJson = None
    """Text, or a list of messages."""
    label: FiniteJson = None
    """The ground truth, or an item written as JSON."""


class SlimeScores(WireModel):
    """The whole verdict, for `--reward-key reward`."""

    reward: FiniteFloat
    accuracy: FiniteFloat
    format: FiniteFloat
    structure: FiniteFloat
    scored: FiniteFloat
    """1, or 0 for a reward that stands in for none."""


class SlimeAnswer(RootModel[FiniteFloat | SlimeScores]):
    """The reward alone, or with `detail` the whole verdict."""


class GymRollout(DialectModel):
    """A row of a NeMo-Gym dataset with the policy's response; it comes back whole.

    Beside these fields it has those of an item, `kind` and `ground_truth` at least.
    """

    model_config = ConfigDict(extra="allow")
    __pydantic_extra__: dict[str, FiniteJson] = Field(init=False)

    responses_create_params: dict[str, FiniteJson]
    """What the policy was asked."""
    response: dict[str, FiniteJson]
    """What it answered, as an OpenAI Responses object."""


class GymVerified(GymRollout):
    """The row again, with its reward."""

    reward: FiniteFloat
    """0 where `mask_sample` is true."""
    accuracy: FiniteFloat
    format: FiniteFloat
    structure: FiniteFloat
    mask_sample: bool
    """Whether there is no verdict, and the row must not be learnt from."""
    failure_kind: str | None
    """A name of NeMo-Gym's vocabulary, or `reward_service:` and the code of the error."""
    failure_reason: str | None


Measured = Annotated[FiniteFloat, Field(ge=-LARGEST_REWARD, le=LARGEST_REWARD)]


class GymVerifiedRow(DialectModel):
    """What the metrics read of a verified row."""

    reward: Measured | None = None
    accuracy: Measured | None = None
    format: Measured | None = None
    structure: Measured | None = None
    mask_sample: bool | None = None
    """Whether to leave the row out, for want of a verdict."""


class GymVerifiedRows(DialectModel):
    """The verified rows of an evaluation."""

    verify_responses: list[GymVerifiedRow]


class GymMetrics(WireModel):
    """Means over the rows that have a verdict."""

    group_level_metrics: list[dict[str, FiniteFloat]]
    agent_metrics: dict[str, FiniteFloat]
    key_metrics: dict[str, FiniteFloat]


class GymSession(WireModel):
    """Nothing: verifying keeps no session."""


ReverifyMode = Literal["stateless"]
