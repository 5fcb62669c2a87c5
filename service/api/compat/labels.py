"""What the dialects share: a label that may carry a whole item, and what the query may say."""

import math
from collections.abc import Mapping
from typing import Annotated, Any

from fastapi import Query
from pydantic import JsonValue, TypeAdapter, ValidationError

from rewards.score import Scored, Verdict
from service.api.problems import AtFields, misfit, pointer
from service.api.schemas.base import FieldError
from service.api.schemas.reward import FiniteJson, RewardItem
from service.errors import InvalidRequest

NOT_CARRIED = ("id", "response")
# Reads and writes integers of any size, unlike the writer of all other answers.
ANY_JSON: TypeAdapter[JsonValue] = TypeAdapter(FiniteJson)


class NoKind(AtFields):
    """Neither a label nor the query says how to score."""


class Choices:
    """What the query of a route says about every item of its body."""

    def __init__(
        self,
        kind: Annotated[str | None, Query(description="Kind of labels that name none.")] = None,
        spec: Annotated[str | None, Query(description="A name of `GET /specs`.")] = None,
        unscored: Annotated[
            float, Query(description="The number in place of a reward that there is none of.")
        ] = 0.0,
    ) -> None:
        if not math.isfinite(unscored):
            fields = [FieldError(pointer="/unscored", detail="expected a finite number")]
            raise AtFields(InvalidRequest("unscored: expected a finite number"), fields)
        self.kind, self.spec, self.unscored = kind, spec, unscored


def read_item(
    label: JsonValue, kind: str | None, at: tuple[str | int, ...], fields: Mapping[str, str | None]
) -> RewardItem:
    """Return the item that a label stands for, or raise `AtFields` with its place `at`.

    The label is the ground truth, or an object, or the JSON of one, with a `ground_truth` and
    any other fields of an item. `fields` are those that the dialect itself gives.
    """
    item = {"kind": kind, "ground_truth": label, **fields, **_carried(label)}
    if item["kind"] is None:
        message = "expected a kind in the label, or `kind` in the query"
        raise NoKind(InvalidRequest(message), [FieldError(pointer=pointer(*at), detail=message)])
    given = {name: value for name, value in item.items() if value is not None}
    try:
        return RewardItem.model_validate_json(
            ANY_JSON.dump_json(given | {"ground_truth": item["ground_truth"]})
        )
    except ValidationError as error:
        found = error.errors(include_url=False, include_input=False, include_context=False)
        raise misfit([{**one, "loc": (*at, *one["loc"])} for one in found]) from None


def _carried(label: JsonValue) -> Mapping[str, Any]:
    if isinstance(label, str) and label.lstrip().startswith("{"):
        try:
            label = ANY_JSON.validate_json(label)
        except ValidationError:
            return {}
    if not isinstance(label, dict) or "ground_truth" not in label:
        return {}
    return {name: value for name, value in label.items() if name not in NOT_CARRIED}


def numbers(verdict: Verdict, unscored: float) -> dict[str, float]:
    """Return a verdict as numbers under constant names; `scored` tells a stand-in from a reward."""
    if isinstance(verdict, Scored):
        reward, accuracy, scored = verdict.reward, verdict.accuracy, 1.0
    else:
        reward, accuracy, scored = unscored, 0.0, 0.0
    return {
        "reward": reward,
        "accuracy": accuracy,
        "format": verdict.format,
        "structure": verdict.structure,
        "scored": scored,
    }


def text_of(content: Any) -> str:
    """Return what was said, from text, from messages, or from parts of one message.

    >>> text_of([{"role": "user", "content": [{"type": "input_text", "text": "How many?"}]}])
    'How many?'
    """
    if isinstance(content, str):
        return content
    if isinstance(content, Mapping):
        return text_of(content.get("content") or content.get("text") or "")
    if not isinstance(content, list):
        return ""
    return "\n".join(text for text in map(text_of, content) if text)
