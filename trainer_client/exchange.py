"""How a call is made: what to send, what an answer means, when to try again. No I/O in here.

A call is a generator that asks for what it needs: it yields `Send` and is sent back a `Reply` or
`Lost`, or yields `Wait` and is resumed when the time has passed. The two clients only obey.
"""

import random
import time
import uuid
from collections.abc import Callable, Generator, Mapping
from dataclasses import dataclass, field
from email.utils import parsedate_to_datetime
from typing import Generic, TypeVar

from trainer_client.config import ClientConfig
from trainer_client.errors import (
    BadAnswer,
    BadCall,
    ClientError,
    RewardRefused,
    RewardUnavailable,
    StepRefused,
)
from trainer_client.wire.items import Media
from trainer_client.wire.service import Problem

T = TypeVar("T")

ALWAYS_RETRYABLE = frozenset({408, 429, 502, 503, 504})
RETRYABLE_IF_SAID = frozenset({409, 500})
MEDIA_MISSING = 424
CONFLICT = 409
GRACE_S = 2.0  # how long past a deadline the answer to it may still arrive
BAD_ANSWERS = 3  # what answers garbage this often is not the service


@dataclass(frozen=True, slots=True)
class Send:
    """Send this and wait for the whole answer, at most `timeout_s`."""

    method: str
    path: str
    headers: Mapping[str, str]
    body: bytes | None
    timeout_s: float


@dataclass(frozen=True, slots=True)
class Wait:
    """Wait before the next attempt, and say why."""

    seconds: float
    why: str


@dataclass(frozen=True, slots=True)
class Reply:
    """A complete answer; the names of its headers are in lower case."""

    status: int
    headers: Mapping[str, str]
    body: bytes


@dataclass(frozen=True, slots=True)
class Lost:
    """No complete answer came: refused, reset, timed out, cut short."""

    why: str


Steps = Generator[Send | Wait, Reply | Lost | None, T]


@dataclass(frozen=True, slots=True)
class Call(Generic[T]):
    """One logical call: however often it is sent, its key stays the same.

    `body` writes the request for the seconds that are left; `read` raises `BadAnswer` for
    what is not an answer to it; `media` is what may be uploaded if the service misses it.
    """

    method: str
    path: str
    read: Callable[[bytes], T]
    body: Callable[[float], bytes] | None = None
    media: Mapping[str, Media] = field(default_factory=dict)
    content_type: str = "application/json"
    key: str = field(default_factory=lambda: uuid.uuid4().hex)

    def send(self, left_s: float, timeout_s: float) -> Send:
        """The request for one attempt, `left_s` before the caller gives up."""
        if self.body is None:
            return Send(self.method, self.path, {}, None, timeout_s)
        headers = {"Content-Type": self.content_type, "Idempotency-Key": self.key}
        return Send(self.method, self.path, headers, self.body(left_s), timeout_s)


@dataclass(frozen=True, slots=True)
class Patience:
    """How long a call may still take and how long to pause between attempts."""

    config: ClientConfig
    ends_at: float
    clock: Callable[[], float] = time.monotonic
    draw: Callable[[float, float], float] = random.uniform

    @classmethod
    def start(cls, config: ClientConfig, deadline_ms: int | None = None) -> "Patience":
        """Begin now; a deadline can only shorten the configured budget."""
        budget_s = config.budget_s
        if deadline_ms is not None:
            if deadline_ms < 1:
                raise BadCall(f"deadline_ms: expected at least 1; got {deadline_ms}")
            budget_s = min(budget_s, deadline_ms / 1000 + GRACE_S)
        return cls(config, time.monotonic() + budget_s)

    def left_s(self) -> float:
        """Seconds until the caller gives up; negative when that time has passed."""
        return self.ends_at - self.clock()

    def pause_s(self, attempt: int, retry_after_s: float) -> float:
        """Full jitter over a doubling ceiling, on top of what the service asked for."""
        ceiling = self.config.first_pause_s * 2.0 ** min(attempt - 1, 30)
        return retry_after_s + self.draw(0.0, min(ceiling, self.config.longest_pause_s))


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


def exchange(call: Call[T], patience: Patience) -> Steps[T]:
    """Send the call until it is answered, refused, or the patience ends."""
    attempts = bad_answers = 0
    uploaded: set[str] = set()
    last = Again("the time was up before the first attempt")
    while (left_s := patience.left_s()) > 0 and bad_answers < BAD_ANSWERS:
        attempts += 1
        reply = yield call.send(left_s, min(left_s, patience.config.attempt_s))
        verdict = judge(reply or Lost("nothing came back"), call)
        if isinstance(verdict, Done):
            return verdict.value
        if isinstance(verdict, Failed):
            raise verdict.error
        last = verdict
        bad_answers += last.bad_answer
        missing = [sha256 for sha256 in last.missing if sha256 not in uploaded]
        for sha256 in missing:
            yield from _upload(call.media[sha256], patience)
            uploaded.add(sha256)
        pause_s = 0.0 if missing else patience.pause_s(attempts, last.retry_after_s)
        if pause_s >= patience.left_s():
            break
        yield Wait(pause_s, last.why)
    error = BadAnswer if last.bad_answer else RewardUnavailable
    raise error(
        f"no answer to {call.method} {call.path} after {attempts} attempts within "
        f"{patience.config.budget_s:g} s; last: {last.why}",
        attempts=attempts,
        status=last.status,
        code=last.code,
    )


def _upload(media: Media, patience: Patience) -> Steps[None]:
    content = media.read()
    if content is None:
        raise BadCall(f"the service misses {media.sha256}, and only its hash was given")
    call: Call[None] = Call(
        "PUT",
        f"/media/{media.sha256}",
        read=lambda _: None,
        body=lambda _: content,
        content_type="application/octet-stream",
    )
    yield from exchange(call, patience)
