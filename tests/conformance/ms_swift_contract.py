"""ms-swift's own scoring and advantages, against a real service."""

import importlib.util
from types import SimpleNamespace

import pytest
import torch
from swift.rewards import orms
from swift.rl_core.advantage import compute_advantages
from swift.rl_core.data import GRPOSample
from swift.rl_core.grpo_algorithm import compute_rewards_per_func

from trainer_client.adapters import ms_swift
from trainer_client.client import RewardClient

SAID = ("the cat", "the dog", "a cat", "dog")


@pytest.fixture(params=["reward_service", "reward_service_async"])
def name(request):
    """What `--reward_funcs` says."""
    return request.param


def plugin(name):
    """A plugin as `--external_plugins` and `--reward_funcs` find it."""
    spec = importlib.util.spec_from_file_location("plugins", ms_swift.__file__)
    spec.loader.exec_module(importlib.util.module_from_spec(spec))
    return orms[name](args=None)


def samples(*truths):
    """Responses to one prompt, each judged against a truth of its own."""
    return [
        GRPOSample(
            messages=[
                {"role": "user", "content": "What does it say?"},
                {"role": "assistant", "content": f"<think>a</think><answer>{said}</answer>"},
            ],
            prompt_id="p1",
            request_id=f"r{number}",
            extra={"problem_type": "ocr" if truth else "tracking", "solution": truth or "no boxes"},
        )
        for number, (said, truth) in enumerate(zip(SAID, truths, strict=True))
    ]


def rewards(reward_func, *truths, step=0):
    """The matrix that ms-swift makes of our rewards."""
    return compute_rewards_per_func(
        samples(*truths),
        [reward_func],
        [None],
        device=torch.device("cpu"),
        trainer_state=SimpleNamespace(global_step=step),
    )


def test_ms_swift_calls_our_plugin(name, monkeypatch):
    """Found by its name, called or awaited, step after step."""
    monkeypatch.delenv("REWARD_SERVICE_RUN")
    reward_func = plugin(name)
    for _ in range(2):
        matrix = rewards(reward_func, *["the cat"] * 4)
        assert matrix.flatten().tolist() == pytest.approx([1.5, 1.05, 1.05, 0.6])


def test_what_was_not_scored_has_no_advantage(name, monkeypatch):
    """The others' advantages are what they would be without it."""
    monkeypatch.delenv("REWARD_SERVICE_RUN")
    matrix = rewards(plugin(name), "the cat", None, "the cat", "the cat")
    advantages, _ = compute_advantages(matrix, torch.ones(1), 4, scale_rewards="none")
    mean = (1.5 + 1.05 + 0.6) / 3
    expected = [1.5 - mean, 0.0, 1.05 - mean, 0.6 - mean]
    assert advantages.tolist() == pytest.approx(expected, abs=1e-6)


def test_a_run_scales_by_the_deviation_before_the_step(name, monkeypatch):
    """The first step's rewards come as they are; the second's are divided."""
    monkeypatch.setenv("REWARD_SERVICE_RUN", f"swift-{name}")
    reward_func = plugin(name)
    first = rewards(reward_func, *["the cat"] * 4).flatten().tolist()
    second = rewards(reward_func, *["the cat"] * 4, step=1).flatten().tolist()
    std = RewardClient().run(f"swift-{name}")["tasks"]["ocr"]["std"]
    assert second == pytest.approx([reward / std for reward in first], rel=1e-5)
