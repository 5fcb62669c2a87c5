"""What operators see of items, groups and runs, over a real socket."""

import random
import re
import string

import pytest
from prometheus_client.parser import text_string_to_metric_families

from rewards.errors import WorkerDied
from rewards.registry import KINDS, default_task
from rewards.score import Unscored
from tests.service.api.test_reward import an_item

MOST_SERIES = 2000
NAMES = 10_000
TASKS = sorted(map(default_task, KINDS))


def samples(service):
    """Every sample of a scrape that a parser accepts."""
    text = service.get("/metrics").data.decode()
    return [one for family in text_string_to_metric_families(text) for one in family.samples]


def a_step(step=0, run="job-42", rewards=(1.0, 0.0, 0.5, 0.5), tasks=None):
    """A step of one run in groups of two."""
    return {
        "run": run,
        "step": step,
        "rewards": list(rewards),
        "groups": [f"p{at // 2}" for at in range(len(rewards))],
        "tasks": tasks or ["math"] * len(rewards),
    }


@pytest.mark.promise(51)
def test_callers_cannot_make_series(service):
    """Ten thousand invented tasks, runs, paths and kinds leave a bounded number of series.

    So do as many runs with every task there is, beyond those that are shown.
    """
    chance = random.Random(7)
    words = ("".join(chance.choices(string.ascii_letters, k=8)) for _ in range(NAMES + 200))
    used = 0
    while used < NAMES:
        run, path, kind = next(words), next(words), next(words)
        items = [an_item(task=next(words)) for _ in range(60)]
        assert service.post("/reward", {"items": items, "run": run}).status == 200
        assert service.post("/reward", {"items": [an_item(kind=kind)]}).status == 422
        tasks = [next(words) for _ in range(40)]
        assert service.post("/advantage", a_step(0, run, [0.5] * 40, tasks)).status == 200
        assert service.get(f"/{path}?{path}", headers={"X-Request-Id": path}).status == 404
        used += 103
    for number in range(2 * 8):
        tasks = [task for task in [*TASKS, "another"] for _ in range(2)]
        rewards = [chance.random() for _ in tasks]
        assert service.post("/advantage", a_step(0, f"r{number}", rewards, tasks)).status == 200
    found = samples(service)
    assert len(found) < MOST_SERIES
    assert {one.labels["run"] for one in found if "run" in one.labels} == {
        f"r{number}" for number in range(8, 16)
    }
    known = {*TASKS, "other"}
    assert {one.labels["task"] for one in found if "task" in one.labels} == known
    assert {one.labels.get("route") for one in found} == {
        None, "/reward", "/advantage", "other",
    }  # fmt: skip


@pytest.mark.promise(51)
def test_a_name_follows_the_rules(service):
    """Own series are prefixed, in base units, without colons; totals end in _total, once each."""
    service.post("/reward", {"items": [an_item()]})
    service.post("/advantage", a_step())
    text = service.get("/metrics").data.decode()
    families = [f for f in text_string_to_metric_families(text) if f.name.startswith("reward_")]
    assert len({family.name for family in families}) == len(families)
    for family in families:
        assert re.fullmatch(r"reward_[a-z]+(_[a-z]+)*", family.name)
        assert re.fullmatch(r"[A-Z0-9].*\.", family.documentation)
        assert not re.search(r"_(ms|milliseconds|kb|mb|count|total|percent)$", family.name)
        if family.type == "counter":
            assert {one.name for one in family.samples} <= {f"{family.name}_total"}


@pytest.mark.promise(53)
def test_every_item_is_counted_once(service):
    """Scored, unscored, of an unknown kind, too many, too late or given up: one count each."""
    sent = 0

    def send(items, **fields):
        nonlocal sent
        sent += len(items)
        return service.post("/reward", {"items": items, **fields})

    bad_truth = an_item(kind="tracking", ground_truth="nothing")
    assert send([an_item(), an_item(response="dog"), bad_truth]).status == 200
    assert send([an_item(), an_item(kind="colour")]).status == 422
    assert send([an_item()] * 65).status == 413
    assert send([an_item()] * 3, spec="mine").status == 422
    service.engine.verdict = Unscored(1.0, 0.5, WorkerDied("lost"))
    assert send([an_item()] * 4).status == 200
    service.engine.error = ZeroDivisionError()
    assert send([an_item()] * 5).status == 500
    outcomes = {
        (one.labels["kind"], one.labels["outcome"]): one.value
        for one in samples(service)
        if one.name == "reward_items_total"
    }
    assert outcomes == {
        ("ocr", "scored"): 2,
        ("tracking", "bad_ground_truth"): 1,
        ("any", "refused"): 2 + 65 + 3 + 5,
        ("ocr", "worker_died"): 4,
    }
    assert sum(outcomes.values()) == sent


@pytest.mark.promise(13)
def test_a_batch_that_nobody_waits_for_is_dropped_before_it_is_scored(service):
    """A caller that leaves while its batch waits: nothing of it is computed, all room is back."""
    service.engine.delay_s = 60.0
    with service.connect() as busy, service.connect() as waiting:
        for connection in (busy, waiting):
            body = b'{"items": [%s]}' % b", ".join(
                [b'{"kind": "ocr", "response": "a", "ground_truth": "a"}'] * 40
            )
            head = f"POST /reward HTTP/1.1\r\nHost: x\r\nContent-Length: {len(body)}\r\n\r\n"
            connection.sendall(head.encode() + body)
            service.wait_until(lambda: service.container.admission.usage()["active_items"] == 40)
        service.wait_until(lambda: service.container.admission.usage()["waiting_items"] == 40)
    inside = service.container.admission.usage
    service.wait_until(lambda: not inside()["active_items"] + inside()["waiting_items"])
    service.wait_until(lambda: service.sample("reward_departures_total", stage="queue") == 1)
    service.wait_until(lambda: service.sample("reward_departures_total", stage="score") == 1)
    assert len(service.engine.batches) == 1
    assert service.sample("reward_items_total", kind="any", outcome="abandoned") == 80


def test_groups_are_counted_by_what_became_of_them(service):
    """A group of equal rewards teaches nothing, and shows; a replay counts nothing again."""
    for _ in range(2):
        assert service.post("/advantage", a_step()).status == 200

    def groups(outcome):
        return service.sample("reward_advantage_groups_total", task="math", outcome=outcome)

    assert (groups("compared"), groups("equal")) == (1, 1)
    assert service.post("/advantage", a_step(1, rewards=[7.0, 7.0])).status == 200
    assert (groups("compared"), groups("equal"), groups("alone")) == (1, 2, 0)


def test_a_floor_that_holds_sigma_is_counted(service):
    """A task whose rewards never differ is divided by the floor, and that shows."""
    service.post("/advantage", a_step(rewards=[0.5] * 4))
    assert service.sample("reward_ema_floored_total", task="math") == 1
    [floor] = {service.sample("reward_ema_sigma", run="job-42", task="math")}
    assert floor > 0


def test_a_run_is_shown_where_it_stands(service):
    """Step, rewind, import: mean and deviation are those that callers are told; then it is gone."""

    def shown():
        labels = {"run": "job-42", "task": "math"}
        return {
            "mean": service.sample("reward_ema_mean", **labels),
            "std": service.sample("reward_ema_sigma", **labels),
        }

    def told():
        tasks = service.get("/runs/job-42").json()["tasks"]
        return {name: tasks["math"][name] for name in ("mean", "std")}

    for step, rewards in enumerate([(1.0, 0.0), (3.0, 1.0), (0.2, 0.1)]):
        service.post("/advantage", a_step(step, rewards=rewards))
        assert shown() == told()
    assert service.sample("reward_ema_drift_ratio", run="job-42", task="math") < 1
    latest = told()
    service.post("/runs/job-42/rewind", {"step": 0})
    assert shown() == told() != latest
    service.get("/runs/job-42", method="DELETE")
    assert [one for one in samples(service) if one.labels.get("run")] == []


def test_the_store_is_timed(service):
    """What the run store is asked for shows by operation; nothing failed."""
    service.post("/advantage", a_step())
    assert service.sample("reward_store_duration_seconds_count", operation="write") == 1
    assert service.sample("reward_store_failures_total", operation="write") == 0
