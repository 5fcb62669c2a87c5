"""Tests for `trainer_client.exchange`: no sockets, no clock, no chance."""

import json
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from trainer_client.config import ClientConfig
from trainer_client.errors import BadCall, RewardUnavailable
from trainer_client.exchange import Patience, exchange
from trainer_client.judgement import retry_after_s
from trainer_client.steps import Call, Lost, Reply, Send, Wait
from trainer_client.wire.media import Media

CONFIG = ClientConfig(budget_s=100.0, attempt_s=30.0, first_pause_s=1.0, longest_pause_s=8.0)
CALL = Call("POST", "/reward", bytes.decode, lambda left_s: f"{left_s:g}".encode(), quick=False)
FILE = Media.of(b"pixels")
ASKING = replace(CALL, media={FILE.sha256: FILE})
MISSED = json.dumps({"code": "media_missing", "facts": {"missing": [FILE.sha256]}}).encode()


class Clock:
    """Time that passes when told."""

    def __init__(self):
        self.now = 0.0

    def __call__(self):
        """Seconds since the start."""
        return self.now


def play(replies, *, call=CALL, config=CONFIG, takes_s=0.0, draw=lambda _, high: high):
    """Run an exchange against canned replies; return the steps and the result or error."""
    clock = Clock()
    steps = exchange(call, Patience(config, config.budget_s, clock, draw))
    replies, seen, answer = iter(replies), [], None
    try:
        while True:
            step = steps.send(answer)
            seen.append(step)
            clock.now += step.seconds if isinstance(step, Wait) else takes_s
            answer = next(replies) if isinstance(step, Send) else None
    except StopIteration as end:
        return seen, end.value
    except RewardUnavailable as error:
        return seen, error


def waits(steps):
    """The pauses among the steps."""
    return [step.seconds for step in steps if isinstance(step, Wait)]


def test_the_ceiling_of_the_pauses_doubles_up_to_a_limit():
    """1, 2, 4, 8 seconds and no more, when chance draws the highest every time."""
    steps, value = play([Lost("reset")] * 6 + [Reply(200, {}, b"done")])
    assert waits(steps) == [1.0, 2.0, 4.0, 8.0, 8.0, 8.0]
    assert value == "done"


def test_a_pause_may_be_nothing_at_all():
    """Full jitter draws from zero, so that a herd of ranks spreads out."""
    steps, _ = play([Lost("reset")] * 3 + [Reply(200, {}, b"")], draw=lambda low, _: low)
    assert waits(steps) == [0.0, 0.0, 0.0]


def test_what_the_service_asks_for_comes_before_the_jitter():
    """`Retry-After` is a floor and the jitter stands on it."""
    steps, _ = play([Reply(429, {"retry-after": "5"}, b""), Reply(200, {}, b"")])
    assert waits(steps) == [6.0]


@given(takes_s=st.floats(0.0, 60.0), replies=st.integers(0, 3))
def test_no_exchange_outlives_its_budget(takes_s, replies):
    """Sends and waits together end within the budget, whatever each of them takes."""
    canned = [Reply(503, {"retry-after": str(10 * replies)}, b"")] * 1000
    steps, error = play(canned, takes_s=takes_s)
    assert isinstance(error, RewardUnavailable)
    elapsed = 0.0
    for step in steps:
        assert elapsed < CONFIG.budget_s
        if isinstance(step, Send):
            assert 0 < step.timeout_s <= min(CONFIG.attempt_s, CONFIG.budget_s - elapsed)
        elapsed += step.seconds if isinstance(step, Wait) else takes_s
    assert error.attempts == sum(isinstance(step, Send) for step in steps)


def test_media_are_uploaded_again_when_they_are_missed_again():
    """Replicas may each have a store of their own, and a store may give up what it had."""
    missed = [Reply(424, {}, MISSED), Reply(201, {}, b"")]
    steps, value = play(missed * 3 + [Reply(200, {}, b"done")], call=ASKING)
    assert value == "done"
    sent = [step.method for step in steps if isinstance(step, Send)]
    assert sent == ["POST", "PUT"] * 3 + ["POST"]
    assert waits(steps) == [0.0, 2.0, 4.0]


def test_uploads_have_an_end():
    """What still misses a file after some uploads is asked again, but not sent it any more."""
    missed = [Reply(424, {}, MISSED), Reply(201, {}, b"")]
    steps, error = play(missed * 5 + [Reply(424, {}, MISSED)] * 1000, call=ASKING)
    assert isinstance(error, RewardUnavailable)
    assert [step.method for step in steps if isinstance(step, Send)].count("PUT") == 5


def test_a_quick_call_does_not_wait_as_long_for_one_answer():
    """A connection that leads nowhere costs seconds where there is nothing to score."""
    replies = [Reply(200, {}, b"")]
    (slow,), _ = play(replies)
    (quick,), _ = play(replies, call=replace(CALL, quick=True), config=replace(CONFIG, quick_s=2.0))
    assert (slow.timeout_s, quick.timeout_s) == (30.0, 2.0)


def test_every_attempt_bears_the_same_key_and_knows_the_time_left():
    """Only the time that is left differs from one attempt to the next."""
    steps, _ = play([Lost("reset"), Lost("reset"), Reply(200, {}, b"")], takes_s=10.0)
    sends = [step for step in steps if isinstance(step, Send)]
    assert {send.headers["Idempotency-Key"] for send in sends} == {CALL.key}
    assert [send.body for send in sends] == [b"100", b"89", b"77"]


def test_the_last_trouble_is_told():
    """Who reads the log learns what the service said last."""
    body = b'{"code": "draining", "detail": "going away", "retryable": true}'
    _, error = play([Reply(503, {}, body)] * 1000, config=replace(CONFIG, budget_s=3.0))
    assert "POST /reward after 2 attempts within 3 s" in str(error)
    assert "draining: going away" in str(error)


@pytest.mark.parametrize(
    ("headers", "seconds"),
    [
        pytest.param({}, 0.0, id="none"),
        pytest.param({"retry-after": "120"}, 120.0, id="seconds"),
        pytest.param({"retry-after": "9" * 400}, 999_999_999.0, id="absurd"),
        pytest.param({"retry-after": "soon"}, 0.0, id="text"),
        pytest.param({"retry-after": "-5"}, 0.0, id="negative"),
        pytest.param({"retry-after": "٣"}, 0.0, id="foreign-digit"),
        pytest.param({"retry-after": "Thu, 01 Jan 2026 00:00:09 GMT"}, 0.0, id="no-date"),
        pytest.param(
            {
                "retry-after": "Thu, 01 Jan 2026 00:00:00 GMT",
                "date": "Thu, 01 Jan 2026 00:00:05 GMT",
            },
            0.0,
            id="past",
        ),
    ],
)
def test_retry_after_is_read_from_whatever_comes(headers, seconds):
    """A header that cannot be read asks for nothing."""
    assert retry_after_s(headers) == seconds


def test_a_deadline_only_shortens_the_budget():
    """Neither can a deadline extend what the trainer can wait."""
    assert Patience.start(CONFIG, 10**9).left_s() <= CONFIG.budget_s
    assert Patience.start(CONFIG, 1000).left_s() < 10
    with pytest.raises(BadCall, match="at least 1"):
        Patience.start(CONFIG, 0)
