"""What an answer means: done, try again, or give up."""

from collections.abc import Mapping
from dataclasses import dataclass
from email.utils import parsedate_to_datetime
from typing import Generic, TypeVar

from trainer_client.errors import (
    BadAnswer,
    ClientError,
    RewardRefused,
    RewardUnavailable,
    StepRefused,
)
from trainer_client.steps import Call, Lost, Reply
from trainer_client.wire.service import Problem

T = TypeVar("T")

ALWAYS_RETRYABLE = frozenset({408, 429, 502, 503, 504})
RETRYABLE_IF_SAID = frozenset({409, 500})
MEDIA_MISSING = 424
CONFLICT = 409


@dataclass(frozen=True, slots=True)
class Done(Generic[T]):
    """The answer."""

    value: T


@dataclass(frozen=True, slots=True)
class Again:
    """No answer yet; the same request may get one, not before `retry_after_s`."""

    why: str
    retry_after_s: float = 0.0
    status: int | None = None
    code: str | None = None
    missing: tuple[str, ...] = ()
    bad_answer: bool = False


@dataclass(frozen=True, slots=True)
class Failed:
    """No answer, and none will come."""

    error: ClientError


def judge(reply: Reply | Lost, call: Call[T]) -> Done[T] | Again | Failed:
    """Decide what an answer means for the call."""
    if isinstance(reply, Lost):
        return Again(reply.why)
    if 200 <= reply.status < 300:  # noqa: PLR2004 - success, as HTTP has it
        try:
            return Done(call.read(reply.body))
        except BadAnswer as error:
            return Again(str(error), status=reply.status, bad_answer=True)
    return _judge_problem(reply, Problem.read(reply.body), call)


def _judge_problem(reply: Reply, problem: Problem, call: Call[T]) -> Again | Failed:
    status = reply.status
    why = f"HTTP {status} {problem.code or ''}: {problem.detail}"
    missing: tuple[str, ...] = ()
    if status == MEDIA_MISSING:
        named = problem.facts.get("missing") or call.media
        missing = tuple(sha256 for sha256 in named if sha256 in call.media)
    if status in ALWAYS_RETRYABLE or missing or (status in RETRYABLE_IF_SAID and problem.retryable):
        return Again(why, retry_after_s(reply.headers), status, problem.code, missing)
    if status >= 500:  # noqa: PLR2004 - a fault of the server, as HTTP has it
        return Failed(RewardUnavailable(why, attempts=1, status=status, code=problem.code))
    refused = StepRefused if status == CONFLICT else RewardRefused
    return Failed(
        refused(why, status=status, code=problem.code or "unknown", problem=problem.document)
    )


def retry_after_s(headers: Mapping[str, str]) -> float:
    """Read `Retry-After`: seconds, or a date against the answer's own; 0 if there is none.

    >>> retry_after_s({"retry-after": "3"})
    3.0
    >>> retry_after_s({"retry-after": "Thu, 01 Jan 2026 00:00:09 GMT",
    ...                "date": "Thu, 01 Jan 2026 00:00:02 GMT"})
    7.0
    """
    value = headers.get("retry-after", "")
    if value.isascii() and value.isdigit():
        return float(value[:9])
    try:
        later, now = parsedate_to_datetime(value), parsedate_to_datetime(headers.get("date", ""))
        return max(0.0, (later - now).total_seconds())
    except (TypeError, ValueError):
        return 0.0
