"""The client against a real service: every call, and what happens when the service goes away."""

import asyncio
import os
import signal
import threading
from concurrent.futures import ThreadPoolExecutor

import pytest

from tests.e2e.lossy import losing_answers
from tests.e2e.running import running
from trainer_client.aio import AsyncRewardClient
from trainer_client.client import RewardClient
from trainer_client.config import ClientConfig
from trainer_client.errors import RewardRefused, StepRefused
from trainer_client.wire.advantages import Filter, Shard

RIGHT = "<think>a</think><answer>the cat</answer>"
TASKS = ["math", "math", "ocr", "ocr"]


@pytest.fixture
def client(service):
    """A client of the shared service."""
    with RewardClient(service.url) as connected:
        yield connected


def step(number, run, **changes):
    """A step of two groups of different tasks."""
    rewards = {"rewards": [1.5, 0.5, 0.25, None], "groups": ["a", "a", "b", "b"], "tasks": TASKS}
    return {"run": run, "step": number} | rewards | changes


def test_every_call_is_answered(client):
    """Rewards, limits and readiness, as a trainer asks for them."""
    items = [
        {"kind": "OCR", "response": RIGHT, "ground_truth": "the cat", "group": "p"},
        {"kind": "temporal grounding", "response": RIGHT, "ground_truth": "no span"},
    ]
    response = client.reward(items, spec="onethinker-released", run="calls", deadline_ms=20_000)
    assert response.rewards == [1.5, None]
    assert response.spec.digest.startswith("sha256:")
    assert response.unscored[0].error.code == "bad_ground_truth"
    assert client.ready()
    assert client.info().max_items > 0


def test_a_step_is_taken_once_and_kept(client):
    """The same body again is a replay; another one is refused; the run can be put back."""
    first = client.advantage(**step(1, "once"))
    assert first.advantages[3] is None
    assert first.advantages[0] == -first.advantages[1] > 0
    assert client.advantage(**step(1, "once")).replayed
    with pytest.raises(StepRefused) as conflict:
        client.advantage(**step(1, "once", rewards=[0, 0, 0, 0]))
    assert conflict.value.code == "step_conflict"
    second = client.advantage(**step(2, "once", rewards=[9, 0, 1, 0]))
    assert client.run("once")["step"] == 2
    client.rewind("once", 1)
    assert client.run("once")["step"] == 1
    again = client.advantage(**step(2, "once", rewards=[9, 0, 1, 0]))
    assert again.advantages == second.advantages


def test_a_run_is_known_only_after_its_first_step(client):
    """Asking for one that never was is refused, not answered with an empty one."""
    with pytest.raises(RewardRefused) as unknown:
        client.run("never")
    assert (unknown.value.status, unknown.value.code) == (404, "unknown_run")


def test_filtered_groups_take_no_part(client):
    """Groups that are all right or all wrong are dropped before the averages move."""
    answer = client.advantage(
        **step(1, "filtered", rewards=[1, 0, 1, 1]), accuracy=[1, 0, 1, 1], filter=Filter()
    )
    assert answer.kept == (True, True, False, False)
    assert set(answer.tasks) == {"math"}


def test_ranks_take_one_step_together(client):
    """Eight ranks at once: one update over the whole batch, and each gets its own part."""
    whole = client.advantage(
        run="whole",
        step=1,
        rewards=[float(n) for n in range(16)],
        groups=[str(n // 4) for n in range(16)],
        tasks=["math"] * 16,
    )

    def rank(index):
        mine = range(2 * index, 2 * index + 2)
        return client.advantage(
            run="ranks",
            step=1,
            rewards=[float(n) for n in mine],
            groups=[str(n // 4) for n in mine],
            tasks=["math"] * 2,
            shard=Shard(index, 8),
        )

    with ThreadPoolExecutor(8) as ranks:
        parts = list(ranks.map(rank, range(8)))
    assert [a for part in parts for a in part.advantages] == list(whole.advantages)
    assert {part.state_version for part in parts} == {1}


def test_the_async_client_hears_the_same(service, client):
    """Both clients read the same answers."""
    items = [{"kind": "ocr", "response": RIGHT, "ground_truth": "the cat"}] * 3
    other = AsyncRewardClient(service.url)
    assert asyncio.run(other.reward(items)) == client.reward(items)


def test_a_batch_beyond_the_limits_travels_in_parts(service, client):
    """The service would refuse it whole; the client never lets it come to that."""
    count = 3 * client.info().max_items // 2
    items = [
        {"kind": "numerical", "response": f"<answer>{n}</answer>", "ground_truth": str(n // 2 * 2)}
        for n in range(count)
    ]
    assert client.reward(items).accuracy == [float(n % 2 == 0) for n in range(count)]
    assert service.process.poll() is None


def test_no_step_is_taken_twice_however_many_answers_are_lost(service, client):
    """Behind a network that loses three answers in ten, every step counts once."""
    with losing_answers(service.port, loses=0.3, seed=7) as proxy:
        lossy = RewardClient(ClientConfig(url=proxy.url, first_pause_s=0.01))
        versions = [lossy.advantage(**step(number, "lossy")).state_version for number in range(60)]
        assert proxy.lost > 5
    assert versions == list(range(1, 61))
    assert client.run("lossy")["state_version"] == 60


def test_rewards_scaled_as_they_come_are_folded_once(client):
    """Sent twice, as after a lost answer, they move the averages once; then the step is closed."""
    items = [
        {"kind": "ocr", "response": said, "ground_truth": "the cat", "id": said, "group": "p"}
        for said in (RIGHT, "the cat", "a dog")
    ]
    for _ in range(2):
        first = client.reward(items, run="streamed", step=0, scale="ema")
        assert first.scaled_rewards == first.rewards
    client.close_step("streamed", 0)
    assert client.run("streamed")["tasks"]["ocr"]["updates"] == 1
    later = client.reward(items, run="streamed", step=1, scale="ema")
    std = client.run("streamed")["tasks"]["ocr"]["std"]
    assert later.scaled_rewards == pytest.approx(
        [reward / std for reward in later.rewards], rel=1e-5
    )


@pytest.mark.slow
def test_a_service_that_comes_back_costs_patience_and_nothing_else(tmp_path):
    """Killed between two steps and started again on its file, it goes on where it was."""
    store = f"sqlite:{tmp_path / 'runs.db'}"
    with running("--store", store) as first:
        port = first.port
        client = RewardClient(ClientConfig(url=first.url, longest_pause_s=0.5))
        taken = client.advantage(**step(1, "back"))
        os.killpg(first.process.pid, signal.SIGKILL)
        first.process.wait()
        late = []
        call = threading.Thread(target=lambda: late.append(client.advantage(**step(2, "back"))))
        call.start()
        with running("--store", store, "--port", str(port)):
            call.join(60)
            assert late[0].state_version == taken.state_version + 1
            assert client.advantage(**step(1, "back")).replayed


@pytest.mark.parametrize(
    "bad",
    [
        pytest.param({"kind": "colour"}, id="unknown-kind"),
        pytest.param({"kind": ""}, id="no-kind"),
        pytest.param({"group": "g" * 300}, id="long-group"),
        pytest.param({"ground_truth": None}, id="no-truth"),
    ],
)
def test_bad_items_leave_the_others_their_rewards(client, bad):
    """The service refuses the request and names them; all of them together it refuses for good."""
    good = {"kind": "ocr", "response": RIGHT, "ground_truth": "the cat"}
    items = [good | bad if at % 3 == 1 else good for at in range(9)]
    assert client.reward(items).rewards == [1.5, None, 1.5] * 3
    if bad != {"ground_truth": None}:
        with pytest.raises(RewardRefused) as refused:
            client.reward([good | bad] * 2)
        assert refused.value.items
