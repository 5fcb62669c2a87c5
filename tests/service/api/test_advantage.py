"""`POST /advantage` over a real socket."""

import json
import math
from pathlib import Path

import orjson
import pytest

RECORDED = json.loads(
    (Path(__file__).parents[2] / "golden" / "advantages.json").read_text(encoding="utf-8")
)
BODY = {
    "run": "job-42",
    "step": 1200,
    "estimator": "ema_grpo",
    "spec": "onethinker-released",
    "rewards": [1.4, 0.2, None, 1.1],
    "groups": ["p1", "p1", "p2", "p2"],
    "tasks": ["math", "math", "ocr", "ocr"],
    "accuracy": [1, 0, None, 1],
    "filter": {"low": 0.01, "high": 0.99},
}


def without(*names, **changes):
    """The body with some members gone and others changed."""
    return {name: value for name, value in BODY.items() if name not in names} | changes


def test_the_documented_request_gets_the_documented_answer(service):
    """Every member by name: sigma is 0.6, so the advantages of 1.4 and 0.2 are ±1 (less 1e-6)."""
    answer = service.post("/advantage", BODY)
    assert answer.status == 200
    content = answer.json()
    assert content.pop("advantages") == pytest.approx([1.0, -1.0, None, 0.0], abs=1e-5)
    assert content.pop("scaled_rewards") == pytest.approx([1.4 / 0.6, 1 / 3, None, 0.0], abs=1e-5)
    moments = content["tasks"]["math"]
    assert moments.pop("mean") == pytest.approx(0.8)
    assert moments.pop("std") == pytest.approx(0.6)
    assert content == {
        "kept": [True, True, False, False],
        "tasks": {"math": {"updates": 1}},
        "state_version": 1,
        "replayed": False,
    }


def test_a_replay_is_the_same_but_for_saying_so(service):
    """The flag and the header tell; every other byte is that of the first answer."""
    first, again = service.post("/advantage", BODY), service.post("/advantage", BODY)
    assert again.data == first.data.replace(b'"replayed":false', b'"replayed":true')
    assert "idempotent-replayed" not in first.headers
    assert again.headers["idempotent-replayed"] == "true"


def test_numbers_written_otherwise_are_the_same_body(service):
    """1 and 1.0, another order of members and other white space make no other request."""
    service.post("/advantage", BODY)
    accuracy = [1.0, 0.0, None, 1.0]
    other = orjson.dumps(
        dict(reversed(without(accuracy=accuracy).items())), option=orjson.OPT_INDENT_2
    )
    assert service.post("/advantage", other).json()["replayed"] is True


@pytest.mark.parametrize(
    ("changes", "status", "code"),
    [
        pytest.param({"rewards": [1.4, 0.3, None, 1.1]}, 409, "step_conflict", id="other-body"),
        pytest.param({"step": 1199}, 409, "step_out_of_order", id="earlier-step"),
        pytest.param({"step": 1201, "estimator": "grpo"}, 409, "run_settings_differ", id="pinned"),
    ],
)
def test_a_run_says_no_with_a_conflict(service, changes, status, code):
    """Another body, an earlier step and other settings are told apart by their codes."""
    service.post("/advantage", BODY)
    refusal = service.post("/advantage", without(**changes))
    assert (refusal.status, refusal.json()["code"]) == (status, code)
    assert refusal.json()["retryable"] is False
    assert service.get("/runs/job-42").json()["state_version"] == 1


@pytest.mark.parametrize(
    ("body", "pointer"),
    [
        pytest.param(without("run"), "/run", id="no-run"),
        pytest.param(without(run="../x"), "/run", id="run-name"),
        pytest.param(without(run=".hidden"), "/run", id="dot-first"),
        pytest.param(without(step=-1), "/step", id="negative-step"),
        pytest.param(without(step=1.5), "/step", id="fractional-step"),
        pytest.param(without(estimator="gae"), "/estimator", id="estimator"),
        pytest.param(without(spec="mine"), "/spec", id="spec"),
        pytest.param(without(rewards=[1.4, "0.2", None, 1.1]), "/rewards/1", id="text"),
        pytest.param(without(rewards=[1.4, True, None, 1.1]), "/rewards/1", id="boolean"),
        pytest.param(without(rewards=[1.4, 1e308, None, 1.1]), "/rewards/1", id="unsquarable"),
        pytest.param(without(groups=["p1"]), "/groups", id="short-groups"),
        pytest.param(without(tasks=["math"] * 5), "/tasks", id="long-tasks"),
        pytest.param(without("tasks"), "/tasks", id="no-tasks"),
        pytest.param(without("accuracy"), "/accuracy", id="filter-without-accuracy"),
        pytest.param(without(accuracy=[1, None, None, 1]), "/accuracy/1", id="accuracy-hole"),
        pytest.param(without(filter={"low": 0.9, "high": 0.1}), "/filter", id="bounds"),
        pytest.param(without(shard={"index": 2, "count": 2}), "/shard", id="shard"),
        pytest.param(without(colour="red"), "/colour", id="unknown-member"),
    ],
)
def test_a_bad_request_is_answered_with_the_field_at_fault(service, body, pointer):
    """422, the pointer, and no run is made."""
    refusal = service.post("/advantage", body)
    assert refusal.status == 422
    assert refusal.headers["content-type"] == "application/problem+json"
    assert pointer in [error["pointer"] for error in refusal.json()["errors"]]
    assert service.get("/runs").json()["runs"] == []


@pytest.mark.parametrize("number", [b"NaN", b"Infinity", b"-Infinity", b"1e999"])
@pytest.mark.promise(39)
def test_numbers_that_are_none_never_get_in(service, number):
    """What the JSON grammar has no word for is refused, before and after a run exists."""
    service.post("/advantage", BODY)
    before = service.get("/runs/job-42/state").data
    poisoned = orjson.dumps(without(step=1201)).replace(b"1.4", number)
    assert service.post("/advantage", poisoned).status == 422
    assert service.get("/runs/job-42/state").data == before


def test_more_rewards_than_allowed_are_too_large(service):
    """The limit that `GET /info` publishes holds."""
    most = service.get("/info").json()["limits"]["rollouts"]
    many = {
        "rewards": [1.0] * (most + 1),
        "groups": ["p"] * (most + 1),
        "tasks": ["t"] * (most + 1),
    }
    refusal = service.post("/advantage", without("accuracy", "filter", **many))
    assert (refusal.status, refusal.json()["facts"]) == (413, {"rollouts": most})


def test_estimators_without_tasks_need_none(service):
    """GRPO and Dr. GRPO read no tasks and report none."""
    for estimator in ("grpo", "dr_grpo"):
        body = without("tasks", run=estimator, estimator=estimator)
        content = service.post("/advantage", body).json()
        assert content["tasks"] == {}
        assert content["advantages"][0] > 0


def test_a_missing_shard_is_a_timeout_that_may_be_retried(service):
    """504 with the missing shards and `Retry-After`."""
    body = without(shard={"index": 1, "count": 3}, deadline_ms=50)
    refusal = service.post("/advantage", body)
    assert (refusal.status, refusal.json()["code"]) == (504, "shards_missing")
    assert refusal.json()["retryable"] is True
    assert refusal.json()["facts"]["missing"] == [0, 2]
    assert int(refusal.headers["retry-after"]) >= 1


def test_every_outcome_is_counted(service):
    """Taken, replayed and refused steps, by code."""
    for body in (BODY, BODY, without(step=1), without(step=1300, estimator="gae")):
        service.post("/advantage", body)
    outcomes = ("taken", "replayed", "step_out_of_order", "unknown_estimator")
    counts = [service.sample("reward_advantage_steps_total", outcome=one) for one in outcomes]
    assert counts == [1.0] * 4


@pytest.mark.promise(21)
def test_whatever_is_accepted_is_answered_with_finite_numbers(service):
    """The largest allowed rewards, of both signs."""
    body = without("accuracy", "filter", rewards=[1e150, -1e150, 1e-300, 0.0])
    content = service.post("/advantage", body).json()
    numbers = content["advantages"] + content["scaled_rewards"]
    assert all(map(math.isfinite, numbers))


@pytest.mark.parametrize(
    ("spec", "tag", "tolerance"),
    [("onethinker-released", "released", 2e-4), ("onethinker-paper", "paper", 1e-9)],
)
def test_the_recorded_steps_come_over_the_wire(service, spec, tag, tolerance):
    """One run through all recorded steps: the advantages of the released code and of the paper."""
    for step in RECORDED:
        tasks = [
            f"{problem}/{data}" if problem == "segmentation" else problem
            for problem, data in zip(step["problem_type"], step["data_type"], strict=True)
        ]
        body = {
            "run": "recorded",
            "step": step["step"],
            "spec": spec,
            "rewards": step["reward"],
            "groups": step["group"],
            "tasks": tasks,
        }
        answer = service.post("/advantage", body).json()
        assert answer["advantages"] == pytest.approx(step[tag]["advantage"], abs=tolerance)
        deviations = {task: of["std"] for task, of in answer["tasks"].items()}
        assert deviations == pytest.approx(step["released"]["std"], abs=1e-5)
