"""What both clients do, over real sockets: `trainer_client.client` and `trainer_client.aio`."""

import time
from dataclasses import replace

import pytest

from tests.trainer_client.conftest import rollouts
from tests.trainer_client.scripted import (
    after,
    cut_short,
    drip,
    garbage,
    hang_up,
    problem,
    reset,
)
from trainer_client.errors import (
    BadCall,
    RewardRefused,
    RewardUnavailable,
    StepRefused,
)
from trainer_client.wire.advantages import Filter, Shard

STEP = {"run": "job", "step": 3, "rewards": [1, None], "groups": ["p", "p"], "tasks": ["m", "m"]}


def test_results_stand_in_the_order_of_the_items(server, client):
    """A batch that travels in several requests comes back in its own order."""
    server.limits["items"] = 3
    items = [item | {"group": f"p{n % 4}"} for n, item in enumerate(rollouts(10))]
    assert client.reward(items).rewards == [float(n) for n in range(10)]
    sizes = [len(seen.json["items"]) for seen in server.posts]
    assert len(sizes) == 4
    assert max(sizes) == 3


def test_order_survives_answers_that_overtake_each_other(server, client):
    """The first request to be answered need not be the first of the batch."""
    server.limits["items"] = 2
    server.play(after(0.15, reset), after(0.05, reset))
    assert client.reward(rollouts(12)).rewards == [float(n) for n in range(12)]


@pytest.mark.parametrize(
    "act",
    [
        pytest.param(hang_up, id="hung-up"),
        pytest.param(reset, id="reset"),
        pytest.param(cut_short, id="cut-short"),
        pytest.param(garbage(), id="garbage"),
        pytest.param(garbage(b'{"spec": 1}'), id="other-json"),
        pytest.param(garbage(b"", status=502), id="bare-502"),
        pytest.param(garbage(b"Service Unavailable", status=503), id="text-503"),
        pytest.param(problem(408, "request_timeout", retryable=True), id="408"),
        pytest.param(problem(409, "in_flight", retryable=True), id="409-in-flight"),
        pytest.param(problem(429, "overloaded", retryable=True, Retry_After="0"), id="429"),
        pytest.param(problem(500, "worker_died", retryable=True), id="500-retryable"),
        pytest.param(problem(503, "draining", retryable=True), id="503"),
        pytest.param(problem(504, "shards_missing", retryable=True), id="504"),
    ],
)
@pytest.mark.promise(55)
def test_what_may_pass_is_tried_again_under_one_key(server, client, act):
    """Trouble that may pass costs attempts, not answers, and every attempt bears the same key."""
    server.play(act, act)
    assert client.advantage(**STEP).state_version == 1
    first, second, third = server.posts
    assert first.headers["idempotency-key"] == third.headers["idempotency-key"]
    assert first.body == second.body == third.body


def test_two_calls_bear_two_keys(server, client):
    """A key names one logical call and no other."""
    client.advantage(**STEP)
    client.advantage(**STEP)
    first, second = server.posts
    assert first.headers["idempotency-key"] != second.headers["idempotency-key"]


@pytest.mark.parametrize("status", [400, 401, 403, 404, 409, 413, 415, 422])
@pytest.mark.promise(55)
def test_a_refusal_is_final(server, client, status):
    """What the service refuses is not sent twice, and the caller learns why."""
    server.play(problem(status, "some_code", facts={"limit": 7}))
    with pytest.raises(RewardRefused, match="some_code!") as caught:
        client.reward(rollouts(1))
    assert (caught.value.status, caught.value.code) == (status, "some_code")
    assert caught.value.problem["facts"] == {"limit": 7}
    assert len(server.posts) == 1


def test_a_step_that_conflicts_has_its_own_error(server, client):
    """The trainer can tell a step taken with another body from a malformed one."""
    server.play(problem(409, "step_conflict"))
    with pytest.raises(StepRefused) as caught:
        client.advantage(**STEP)
    assert caught.value.code == "step_conflict"


def test_a_bug_of_the_service_is_neither_retried_nor_the_callers_fault(server, client):
    """A plain 500 ends the call, without a reward."""
    server.play(garbage(b"Internal Server Error", status=500))
    with pytest.raises(RewardUnavailable, match="Internal Server Error"):
        client.reward(rollouts(1))
    assert len(server.posts) == 1


def test_redirects_are_not_followed(server, client):
    """A redirect is a wrong address, and rewards are not sent to wherever it points."""
    server.play(lambda handler: handler.reply(307, {}, Location="http://127.0.0.1:9/"))
    with pytest.raises(RewardRefused) as caught:
        client.reward(rollouts(1))
    assert caught.value.status == 307


@pytest.mark.promise(55)
def test_the_service_decides_how_soon_it_is_asked_again(server, client):
    """`Retry-After` is kept to, though the configured pauses are shorter."""
    server.play(problem(429, "overloaded", retryable=True, Retry_After="1"))
    client.reward(rollouts(1))
    first, second = server.posts
    assert second.at - first.at >= 1.0


def test_a_wait_beyond_the_budget_is_not_begun(server, client):
    """If the service asks for more time than there is, the caller hears so at once."""
    server.play(problem(503, "draining", retryable=True, Retry_After="60"))
    with pytest.raises(RewardUnavailable, match="draining") as caught:
        client.reward(rollouts(1))
    assert (caught.value.attempts, caught.value.status, caught.value.code) == (1, 503, "draining")


@pytest.mark.promise(55)
def test_the_budget_ends_a_call_that_never_succeeds(server, client_class, config):
    """Retries stop when the time is up; no number stands in for the reward."""
    server.play(*[hang_up] * 1000)
    client = client_class(replace(config, budget_s=0.3))
    with pytest.raises(RewardUnavailable, match=r"within 0\.3 s"):
        client.advantage(**STEP)
    assert 2 < len(server.posts) < 1000


@pytest.mark.parametrize(
    "act", [pytest.param(after(3, reset), id="silent"), pytest.param(drip(3), id="drip")]
)
def test_a_service_that_keeps_one_waiting_is_left(server, client_class, config, act):
    """Neither silence nor an answer that drips holds the caller past its budget."""
    server.play(act)
    client = client_class(replace(config, budget_s=0.4))
    client.info()
    begun = time.monotonic()
    with pytest.raises(RewardUnavailable):
        client.reward(rollouts(1))
    assert time.monotonic() - begun < 3


def test_a_deadline_shrinks_with_every_attempt(server, client):
    """The service is told what is left of the deadline, not what it was."""
    server.play(after(0.05, hang_up))
    client.reward(rollouts(1), deadline_ms=4000, run="job", spec="onethinker-paper")
    first, second = (seen.json for seen in server.posts)
    assert 4000 >= first["deadline_ms"] > second["deadline_ms"] >= 1
    assert (first["run"], first["spec"]) == ("job", "onethinker-paper")


def test_no_deadline_is_sent_unless_one_is_given(server, client):
    """Fields that are not given are left to the service's defaults."""
    client.reward(rollouts(1))
    assert server.posts[0].json.keys() == {"items"}


@pytest.mark.parametrize(
    ("item", "named"),
    [
        pytest.param({"ground_truth": {"time": [0, float("inf")]}}, "item '0'", id="infinite"),
        pytest.param({"ground_truth": {1, 2}}, "item '0'", id="no-json"),
        pytest.param({"response": 3, "colour": "red"}, "colour", id="unknown-field"),
    ],
)
def test_what_json_cannot_hold_is_not_sent(server, client, item, named):
    """The caller hears which item it was, and nothing of the batch leaves."""
    with pytest.raises(BadCall, match=named):
        client.reward(rollouts(1, **item))
    assert not server.posts


def test_an_empty_batch_is_no_batch(server, client):
    """Nothing to score is a mistake of the caller."""
    with pytest.raises(BadCall, match="at least one item"):
        client.reward([])
    assert not server.posts


def test_text_that_utf8_cannot_hold_does_not_sink_the_batch(server, client):
    """A lone surrogate from a tokenizer becomes a question mark."""
    client.reward(rollouts(1, response="a\ud800b"))
    assert server.posts[0].json["items"][0]["response"] == "a?b"


def test_a_step_is_sent_as_the_contract_has_it(server, client):
    """Every field of a step arrives under its own name."""
    options = {"accuracy": [1, None], "filter": Filter(0.1, 0.9), "shard": Shard(0, 8)}
    answer = client.advantage(**STEP, **options, spec="onethinker-paper", estimator="grpo")
    assert server.posts[0].json == {
        **STEP,
        "estimator": "grpo",
        "spec": "onethinker-paper",
        "accuracy": [1.0, None],
        "filter": {"low": 0.1, "high": 0.9},
        "shard": {"index": 0, "count": 8},
    }
    assert (answer.advantages, answer.scaled_rewards) == ((1.0, None), (0.1, None))
    assert answer.kept == (True, True)
    assert (answer.tasks["math"].mean, answer.tasks["math"].std) == (0.5, 0.25)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        pytest.param({"rewards": [1.0, float("nan")]}, r"rewards\[1\] is nan", id="nan"),
        pytest.param({"groups": ["p"]}, "as many groups as rewards", id="short"),
    ],
)
def test_a_step_that_makes_no_sense_is_not_sent(server, client, change, message):
    """A mistake in the lists is found before the run's state could be."""
    with pytest.raises(BadCall, match=message):
        client.advantage(**STEP | change)
    assert not server.seen


def test_rewards_can_be_scaled_as_they_come(server, client):
    """With a run and a step, every result has its scaled reward, and the step can be closed."""
    items = [item | {"id": f"r{n}", "group": "p"} for n, item in enumerate(rollouts(3))]
    response = client.reward(items, run="job", step=4, scale="ema")
    assert response.scaled_rewards == [0.0, 0.1, 0.2]
    sent = server.posts[0].json
    assert (sent["run"], sent["step"], sent["scale"]) == ("job", 4, "ema")
    assert client.close_step("job", 4)["path"] == "/runs/job/close"


@pytest.mark.parametrize(
    ("terms", "item"),
    [
        pytest.param({"run": "job"}, {"id": "a", "group": "p"}, id="no-step"),
        pytest.param({"run": "job", "step": 1}, {"group": "p"}, id="no-id"),
        pytest.param({"run": "job", "step": 1}, {"id": "a"}, id="no-group"),
    ],
)
def test_rewards_that_belong_nowhere_are_not_scaled(server, client, terms, item):
    """Two rollouts under one made-up name would be counted as one."""
    with pytest.raises(BadCall, match="scale: expected"):
        client.reward(rollouts(1, **item), scale="ema", **terms)
    assert not server.seen


def test_runs_are_asked_after_and_rewound(server, client):
    """The name of a run travels in the path, whatever characters it has."""
    server.runs["a/b c"] = 9
    assert client.run("a/b c") == {"run": "a/b c", "step": 9}
    assert client.rewind("a/b c", 7) == {"run": "a/b c", "step": 7}
    assert server.seen[-1].path == "/runs/a%2Fb%20c/rewind"


def test_readiness_is_asked_once(server, client):
    """A service that does not answer is not ready, and that is no error."""
    assert client.ready()
    server.stop()
    assert not client.ready()


def test_limits_are_asked_for_once(server, client):
    """Every call after the first trusts the limits that the first one learnt."""
    client.reward(rollouts(1))
    client.reward(rollouts(1))
    assert [seen.path for seen in server.seen].count("/info") == 1
    assert client.info().max_items == server.limits["items"]


def test_the_key_is_sent_and_not_shown(server, client_class, config):
    """The service sees the key; logs that print the settings do not."""
    secret = replace(config, api_key="s3cret", headers={"X-Team": "vision"})
    client_class(secret).reward(rollouts(1))
    assert server.posts[0].headers["authorization"] == "Bearer s3cret"
    assert server.posts[0].headers["x-team"] == "vision"
    assert "s3cret" not in repr(secret)


@pytest.mark.promise(55)
def test_proxies_are_used_only_when_asked(server, client_class, config, monkeypatch):
    """A cluster's proxy variables do not come between a trainer and its service."""
    monkeypatch.setenv("http_proxy", server.url)
    monkeypatch.delenv("no_proxy", raising=False)
    elsewhere = replace(config, url="http://127.0.0.1:9", budget_s=0.2)
    with pytest.raises(RewardUnavailable):
        client_class(elsewhere).info()
    assert not server.seen
    client_class(replace(elsewhere, trust_env=True, budget_s=5)).info()
    assert server.seen[0].path == "http://127.0.0.1:9/info"
