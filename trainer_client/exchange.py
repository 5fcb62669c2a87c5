"""How one call is carried through: attempts, pauses, uploads, and when to give up."""

import random
import time
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from typing import TypeVar

from trainer_client.config import ClientConfig
from trainer_client.errors import BadAnswer, BadCall, RewardUnavailable
from trainer_client.judgement import Again, Done, Failed, judge
from trainer_client.steps import Call, Steps, Wait
from trainer_client.wire.media import Media

T = TypeVar("T")

GRACE_S = 2.0  # how long past a deadline the answer to it may still arrive
BAD_ANSWERS = 3  # what answers garbage this often is not the service
UPLOADS = 5  # of one file: each replica may want its own, and one may have lost it again


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


def exchange(call: Call[T], patience: Patience) -> Steps[T]:
    """Send the call until it is answered, refused, or the patience ends."""
    attempts = bad_answers = 0
    config = patience.config
    attempt_s = config.quick_s if call.quick else config.attempt_s
    uploads: Counter[str] = Counter()
    last = Again("the time was up before the first attempt")
    while (left_s := patience.left_s()) > 0 and bad_answers < BAD_ANSWERS:
        attempts += 1
        reply = yield call.send(left_s, min(left_s, attempt_s))
        verdict = judge(reply, call)
        if isinstance(verdict, Done):
            return verdict.value
        if isinstance(verdict, Failed):
            raise verdict.error
        last = verdict
        bad_answers += last.bad_answer
        first_upload = bool(last.missing) and not uploads
        for sha256 in last.missing:
            if uploads[sha256] < UPLOADS:
                yield from _upload(call.media[sha256], patience)
                uploads[sha256] += 1
        pause_s = 0.0 if first_upload else patience.pause_s(attempts, last.retry_after_s)
        if pause_s >= patience.left_s():
            break
        yield Wait(pause_s, last.why)
    error = BadAnswer if last.bad_answer else RewardUnavailable
    raise error(
        f"no answer to {call.method} {call.path} after {attempts} attempts within "
        f"{config.budget_s:g} s; last: {last.why}",
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
        quick=False,
    )
    yield from exchange(call, patience)
