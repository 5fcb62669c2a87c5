"""How each kind of model server is asked for scores, and how its reply is read."""

import json
import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from rewards.errors import ModelFailed

Answer = float | ModelFailed


class BadReply(Exception):
    """A reply that cannot be matched with the texts it should score."""


@dataclass(frozen=True, slots=True)
class Dialect:
    """Where a server takes texts, in which body, and where its reply keeps entry and number."""

    name: str
    path: str
    body: Callable[[Sequence[str], str], Mapping[str, object]]
    entries: Callable[[Any], Any]
    number: Callable[[Any], Any]

    def write(self, texts: Sequence[str], model: str) -> bytes:
        """The body of a request that scores the texts."""
        return json.dumps(self.body(texts, model)).encode()

    def read(self, reply: bytes, count: int) -> list[Answer]:
        """The scores in the order of the texts; raises `BadReply` where that is in doubt.

        An entry without a finite number fails alone.
        """
        try:
            entries = self.entries(json.loads(reply))
        except (ValueError, RecursionError, LookupError, TypeError):
            raise BadReply(f"expected a reply of {self.name}, got another") from None
        if not isinstance(entries, list) or len(entries) != count:
            found = len(entries) if isinstance(entries, list) else "none"
            raise BadReply(f"expected {count} scores, got {found}")
        return [self._judge(entry) for entry in _in_order(entries)]

    def _judge(self, entry: Any) -> Answer:
        try:
            number = self.number(entry)
        except (LookupError, TypeError):
            return ModelFailed("expected a score for each text, got an entry without one")
        if isinstance(number, bool) or not isinstance(number, int | float):
            return ModelFailed(f"expected a number as score, got {type(number).__name__}")
        # An integer can be too large for a float; then it is as good as infinite.
        score = float(number) if abs(number) < SANE else math.inf
        return score if math.isfinite(score) else ModelFailed("expected a finite score")


SANE = 1e300


def _in_order(entries: list[Any]) -> list[Any]:
    """Put entries that say which text they belong to where they belong."""
    indices = [entry.get("index") if isinstance(entry, dict) else None for entry in entries]
    if all(index is None for index in indices):
        return entries
    by_index = {i: entry for i, entry in zip(indices, entries, strict=True) if type(i) is int}
    if by_index.keys() != set(range(len(entries))):
        raise BadReply("expected one entry for each text, got another choice")
    return [by_index[i] for i in range(len(entries))]


def _last_of_tokens(entry: Any) -> Any:
    # vLLM answers with a row for each token; pooled to the last, with the row alone.
    last = entry["data"][-1]
    if isinstance(last, list):
        return last[0]
    if len(entry["data"]) == 1:
        return last
    raise TypeError


DIALECTS: Mapping[str, Dialect] = {
    dialect.name: dialect
    for dialect in (
        Dialect(
            "vllm",
            "/pooling",
            # Recent vLLM (seen in 0.32) squashes scores by a sigmoid unless told not to.
            body=lambda texts, _: {"input": list(texts), "use_activation": False},
            entries=lambda reply: reply["data"],
            number=_last_of_tokens,
        ),
        Dialect(
            "sglang",
            "/classify",
            body=lambda texts, model: {"model": model, "text": list(texts)},
            entries=lambda reply: reply,
            number=lambda entry: entry["embedding"][0],
        ),
        Dialect(
            "lmdeploy",
            "/pooling",
            body=lambda texts, _: {"input": list(texts)},
            entries=lambda reply: reply["data"],
            number=lambda entry: entry["data"],
        ),
    )
}
