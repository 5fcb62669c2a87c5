"""Answers judged by a similarity model: asked once for all, normalised by group."""

from collections.abc import Hashable, Sequence
from dataclasses import dataclass

from rewards.errors import MissingInput, ModelFailed, RewardError
from rewards.maths.normalisation import normalise
from rewards.ports import Comparison, SimilarityModel
from rewards.score import Score
from rewards.specs import Spec

Outcome = Score | RewardError

NEEDS_PROMPT = "expected a `prompt`: the similarity model reads it"
UNJUDGED = ModelFailed("the similarity model gave no score")


@dataclass(frozen=True, slots=True)
class Likeness:
    """An answer to be compared with its reference, and the group it is normalised in."""

    prompt: str | None
    reference: str
    output: str
    group: str | None


async def judge_likenesses(
    likenesses: Sequence[Likeness], model: SimilarityModel, spec: Spec, *, deadline: float | None
) -> list[Outcome]:
    """Return one outcome for each, in order: the model's score under the spec's normalisation.

    Rollouts of one group are normalised together; without a group, those that share prompt and
    reference are. What the model could not score stays unscored and takes no part.
    """
    comparisons = [
        Comparison(item.prompt, item.reference, item.output)
        for item in likenesses
        if item.prompt is not None
    ]
    answers = iter(await model.compare(comparisons, deadline=deadline) if comparisons else ())
    raw: list[float | RewardError] = [
        next(answers) if item.prompt is not None else MissingInput(NEEDS_PROMPT)
        for item in likenesses
    ]
    outcomes: list[Outcome] = [UNJUDGED] * len(raw)
    for members in _groups(likenesses).values():
        values = [score if isinstance(score := raw[i], float) else None for i in members]
        normalised = normalise(values, spec.similarity_normalisation)
        for index, value in zip(members, normalised, strict=True):
            outcomes[index] = _outcome(raw[index], value, model.scorer)
    return outcomes


def _outcome(raw: float | RewardError, value: float | None, scorer: str) -> Outcome:
    if isinstance(raw, RewardError):
        return raw
    if value is None:
        return ModelFailed("the score could not be normalised")
    return Score(value, parts={"raw_score": raw}, scorer=scorer)


def _groups(likenesses: Sequence[Likeness]) -> dict[Hashable, list[int]]:
    groups: dict[Hashable, list[int]] = {}
    for index, item in enumerate(likenesses):
        key = (item.group,) if item.group is not None else (item.prompt, item.reference)
        groups.setdefault(key, []).append(index)
    return groups
