"""Tests for what operators ask."""

import pytest

from rewards.errors import WorkerDied
from rewards.ports import Health
from rewards.score import Unscored
from tests.service.api.test_reward import an_item

AWAY = Health(ready=False, reason="no answer on port 9000")


def test_alive_means_that_the_event_loop_turns(service):
    """Liveness asks nothing of the parts, or a sick dependency would restart every replica."""
    service.health["rules"] = AWAY
    service.container.lifecycle.draining = True
    assert service.get("/livez").json() == {"status": "live"}


def test_ready_names_every_part(service):
    """A replica in good health says so part by part."""
    answer = service.get("/readyz")
    part = {"ready": True, "reason": None}
    assert answer.status == 200
    assert answer.json() == {"status": "ready", "parts": {"rules": part, "model": part}}


def test_without_a_vital_part_no_traffic_is_wanted(service):
    """A replica that cannot score leaves the rotation, and says which part is away and why."""
    service.health["rules"] = AWAY
    answer = service.get("/readyz")
    problem = answer.json()
    assert (answer.status, problem["code"], problem["retryable"]) == (503, "unavailable", True)
    assert int(answer.headers["retry-after"]) >= 1
    assert problem["facts"]["parts"]["rules"] == {"ready": False, "reason": AWAY.reason}


def test_without_another_part_the_replica_is_degraded(service):
    """Most requests do without a model; those that need it are told one by one."""
    service.health["model"] = AWAY
    answer = service.get("/readyz")
    assert (answer.status, answer.json()["status"]) == (200, "degraded")
    assert answer.json()["parts"]["model"]["reason"] == AWAY.reason


def test_a_draining_replica_is_not_ready(service):
    """A replica that shuts down leaves the rotation although all its parts are well."""
    service.container.lifecycle.draining = True
    answer = service.get("/readyz")
    assert (answer.status, answer.json()["code"]) == (503, "draining")
    assert int(answer.headers["retry-after"]) >= 1


@pytest.mark.parametrize("times", [1, 3])
def test_rewards_and_formats_are_counted_by_kind(service, times):
    """The distribution of rewards and the rate of good tags can be watched for each kind."""
    for _ in range(times):
        service.post("/reward", {"items": [an_item(), an_item(response="the cat")]})
    assert service.sample("reward_score_count", task="ocr") == 2 * times
    assert service.sample("reward_score_sum", task="ocr") == pytest.approx(2.4 * times)
    assert service.sample("reward_well_formed_items_total", kind="ocr") == times
    assert service.sample("reward_batch_items_sum") == 2 * times


def test_stages_are_timed(service):
    """Where the time of a request goes can be seen."""
    service.post("/reward", {"items": [an_item()]})
    for stage in ("read", "parse", "queue", "score", "write"):
        assert service.sample("reward_stage_duration_seconds_count", stage=stage) == 1


def test_unscored_items_are_counted_by_their_code(service):
    """Trouble of the machine shows in the outcomes and not in the rewards."""
    service.engine.verdict = Unscored(1.0, 0.5, WorkerDied("lost"))
    service.post("/reward", {"items": [an_item()] * 4})
    assert service.sample("reward_items_total", kind="ocr", outcome="worker_died") == 4
    assert service.sample("reward_score_count", task="ocr") == 0
