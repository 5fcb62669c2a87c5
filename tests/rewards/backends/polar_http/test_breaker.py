"""Tests for `rewards.backends.polar_http.breaker` and `servers`."""

import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from rewards.backends.polar_http.breaker import Breaker
from rewards.backends.polar_http.calls import BROKEN, BUSY, CallFailed
from rewards.backends.polar_http.servers import Servers

ONE, TWO = "http://a:1", "http://b:2"


def test_it_opens_after_failures_in_a_row():
    """Two failures and a success are forgiven; three failures are not."""
    breaker = Breaker(threshold=3)
    for _ in range(2):
        breaker.fail(0.0)
    breaker.succeed()
    for _ in range(2):
        breaker.fail(0.0)
    assert breaker.is_closed
    breaker.fail(0.0)
    assert not breaker.is_closed
    assert not breaker.allows(0.4)


def test_one_call_tries_after_the_cooldown():
    """Half open, a second call has to wait for what the first finds out."""
    breaker = Breaker(threshold=1, cooldown_s=1.0)
    breaker.fail(0.0)
    assert breaker.allows(1.0)
    breaker.begin()
    assert not breaker.allows(1.0)
    breaker.succeed()
    assert breaker.is_closed
    assert breaker.allows(1.0)


def test_the_cooldown_doubles_up_to_its_limit():
    """By hand: open for 1, 2, 3, 3 seconds."""
    breaker = Breaker(threshold=1, cooldown_s=1.0, longest_cooldown_s=3.0)
    now = 0.0
    breaker.fail(now)
    for pause in (1.0, 2.0, 3.0, 3.0):
        assert not breaker.allows(now + pause - 0.01)
        now += pause
        assert breaker.allows(now)
        breaker.begin()
        breaker.fail(now)


def test_a_trial_that_says_nothing_lets_another_try():
    """A cancelled call leaves the breaker as it was."""
    breaker = Breaker(threshold=1, cooldown_s=1.0)
    breaker.fail(0.0)
    breaker.begin()
    breaker.let_go()
    assert breaker.allows(1.0)


class BreakerMachine(RuleBasedStateMachine):
    """Calls that begin and end in any order, on a clock that only goes forward."""

    def __init__(self):
        super().__init__()
        self.breaker = Breaker(threshold=2, cooldown_s=1.0, longest_cooldown_s=4.0)
        self.now = 0.0
        self.running = 0

    @rule(seconds=st.floats(0.0, 5.0))
    def wait(self, seconds):
        """Time passes."""
        self.now += seconds

    @precondition(lambda self: self.breaker.allows(self.now))
    @rule()
    def begin(self):
        """A call begins."""
        self.breaker.begin()
        self.running += 1

    @precondition(lambda self: self.running)
    @rule(works=st.sampled_from([True, False, None]))
    def end(self, works):
        """A call ends well, badly, or without a word."""
        self.running -= 1
        if works:
            self.breaker.succeed()
        elif works is False:
            self.breaker.fail(self.now)
        self.breaker.let_go()

    @invariant()
    def recovers(self):
        """With nothing running, a server gets a call at the latest after the longest cooldown."""
        if not self.running:
            assert self.breaker.allows(self.now + 4.0)


TestBreakerMachine = BreakerMachine.TestCase


def failed(fault=BROKEN):
    """A failure of a call."""
    return CallFailed(fault, "status 500")


def test_the_idlest_working_server_is_chosen():
    """Work spreads by what is in flight."""
    servers = Servers([ONE, TWO])
    first = servers.choose("p", 0.0)
    first.begin()
    second = servers.choose("p", 0.0)
    assert second is not first
    first.end()
    second.begin()
    assert servers.choose("p", 0.0) is first


@given(prompt=st.text())
def test_one_prompt_keeps_to_one_server(prompt):
    """Among idle servers a prompt always finds the cache that knows it."""
    servers = Servers([ONE, TWO, "http://c:3"])
    assert servers.choose(prompt, 0.0) is servers.choose(prompt, 1.0)


def test_prompts_spread_over_servers():
    """No server is left without prompts of its own."""
    servers = Servers([ONE, TWO])
    assert {servers.choose(f"prompt {n}", 0.0).base for n in range(50)} == {ONE, TWO}


def test_a_server_that_is_down_gets_nothing_while_another_works():
    """Down servers are for probes; calls go where they are answered."""
    servers = Servers([ONE, TWO])
    down, up = servers.all
    down.take_out(failed(), 0.0)
    assert all(servers.choose(f"prompt {n}", 100.0) is up for n in range(20))
    up.take_out(failed(), 100.0)
    assert servers.choose("p", 100.2) is down
    assert servers.choose("p", 100.2, without=[down]) is None


def test_an_overloaded_server_is_not_held_down():
    """Being busy is no fault, however often it is said."""
    server = Servers([ONE]).all[0]
    for _ in range(10):
        server.begin()
        server.note_failure(failed(BUSY), 0.0)
        server.end()
    assert server.breaker.is_closed


def test_the_silence_of_many_is_that_of_the_most_silent():
    """A server that answers or fails was heard of; one that does neither shows."""
    servers = Servers([ONE, TWO])
    servers.all[0].heard_at = servers.all[1].heard_at = 1.0
    servers.all[0].note_success(5.0)
    assert servers.health().heard_at == 1.0
    servers.all[1].note_failure(failed(BUSY), 3.0)
    assert servers.health().heard_at == 3.0
    servers.all[1].note_failure(failed(), 7.0)
    assert servers.health().heard_at == 5.0


@pytest.mark.parametrize(
    ("down", "ready", "reason"),
    [
        ([], True, None),
        ([0], True, "1 of 2 servers down: status 500"),
        ([0, 1], False, "2 of 2 servers down: status 500; status 500"),
    ],
)
def test_readiness_needs_one_server(down, ready, reason):
    """The reason says what is down even while another server still answers."""
    servers = Servers([ONE, TWO])
    for i in down:
        servers.all[i].take_out(failed(), 0.0)
    assert (servers.health().ready, servers.health().reason) == (ready, reason)
    assert servers.usage()["breaker_open/a:1"] == float(0 in down)
