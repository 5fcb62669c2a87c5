"""Verdicts as they are written down: over HTTP, and for the lines of a file."""

from typing import Any

from rewards.score import Scored, Unscored, Verdict
from rewards.specs import Spec

LONGEST_TEXT = 1000


def clean(text: str) -> str:
    r"""Text that any JSON writer takes: lone surrogates replaced, cut to 1,000 characters.

    >>> clean("boxes: \ud800")
    'boxes: ?'
    """
    return text[:LONGEST_TEXT].encode("utf-8", "replace").decode()


def write_spec(spec: Spec) -> dict[str, Any]:
    """The name, version and digest that go out with every number."""
    return {"name": spec.name, "version": spec.version, "digest": spec.digest}


def write_result(item_id: str | None, verdict: Verdict) -> dict[str, Any]:
    """All that is known of one item; what has no verdict has null where its numbers would be."""
    if isinstance(verdict, Unscored):
        return _write_unscored(item_id, verdict)
    return _write_scored(item_id, verdict)


def _write_scored(item_id: str | None, scored: Scored) -> dict[str, Any]:
    return {
        "id": item_id,
        "status": "scored",
        "reward": scored.reward,
        "accuracy": scored.accuracy,
        "format": scored.format,
        "structure": scored.structure,
        "parts": dict(scored.parts),
        "scorer": scored.scorer,
        "reason": scored.reason and clean(scored.reason),
        "error": None,
    }


def _write_unscored(item_id: str | None, unscored: Unscored) -> dict[str, Any]:
    error = unscored.error
    return {
        "id": item_id,
        "status": "unscored",
        "reward": None,
        "accuracy": None,
        "format": unscored.format,
        "structure": unscored.structure,
        "parts": {},
        "scorer": None,
        "reason": None,
        "error": {
            "code": error.code,
            "retryable": error.retryable,
            "message": clean(str(error)),
        },
    }
