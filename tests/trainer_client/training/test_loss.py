"""Tests for `trainer_client.training.loss`: by hand, by TRL, by its properties."""

import math

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from trainer_client.training.config import ObjectiveConfig
from trainer_client.training.loss import grpo_objective, k3, token_weights

MASK = torch.tensor([[1, 1, 1], [1, 0, 0]])
logprobs = st.lists(st.floats(-8, 0), min_size=4, max_size=4).map(
    lambda row: torch.tensor([row], dtype=torch.float64)
)


def test_the_loss_equals_a_hand_computed_example():
    """Two responses, ratios 1.5, 1 and 0.5 against 1 and a bound of 0.2, a penalty of 0.1 · k3."""
    old = torch.zeros(2, 3)
    now = torch.tensor([[math.log(1.5), 0.0, math.log(0.5)], [math.log(0.5), 9.0, 9.0]])
    reference = torch.tensor([[math.log(1.5), math.log(2.0), math.log(0.5)], [math.log(0.5), 0, 0]])
    settings = ObjectiveConfig(clip_low=0.2, clip_high=0.2, kl_weight=0.1)
    weights = token_weights(MASK, "response", 3)
    objective = grpo_objective(
        now, old, reference, torch.tensor([2.0, -1.0]), weights, settings=settings
    )
    # A = 2: min(1.5, 1.2)·2, 1·2, min(0.5, 0.8)·2; A = -1: min(-0.5, -0.8).
    first = (2.4 + 2.0 + 1.0) / 3
    second = -0.8
    divergence = (2.0 - math.log(2.0) - 1.0) / 3 / 2
    assert objective.loss.item() == pytest.approx(-(first + second) / 2 + 0.1 * divergence)
    assert objective.kl.item() == pytest.approx(divergence)
    assert objective.clipped.item() == pytest.approx((1 / 3 + 1) / 2)


def test_no_gradient_comes_from_beyond_the_bound():
    """A ratio that has gone far enough in its advantage's direction is not pushed further."""
    now = torch.tensor([[0.5, -0.5, 0.5, -0.5]], requires_grad=True)
    advantages = torch.tensor([1.0])
    weights = torch.ones(1, 4)
    settings = ObjectiveConfig()
    grpo_objective(
        now, torch.zeros(1, 4), None, advantages, weights, settings=settings
    ).loss.backward()
    assert (now.grad[0] == 0).tolist() == [True, False, True, False]


def test_without_a_reference_nothing_is_paid():
    """The penalty needs a policy to compare with."""
    now = torch.tensor([[0.1]])
    objective = grpo_objective(
        now, now, None, torch.tensor([3.0]), torch.ones(1, 1), settings=ObjectiveConfig()
    )
    assert (objective.loss.item(), objective.kl.item()) == (-3.0, 0.0)


@given(logprobs, logprobs)
def test_k3_is_never_negative_and_zero_only_for_equals(one, other):
    """It is a divergence."""
    assert (k3(one, other) >= -1e-12).all()
    assert (k3(one, one) == 0).all()


def test_k3_estimates_the_divergence_without_bias():
    """Its mean under the policy is KL(policy ‖ reference)."""
    p = torch.tensor([0.7, 0.2, 0.1], dtype=torch.float64)
    q = torch.tensor([0.3, 0.3, 0.4], dtype=torch.float64)
    exact = (p * (p / q).log()).sum()
    assert (p * k3(p.log(), q.log())).sum().item() == pytest.approx(exact.item())


@pytest.mark.parametrize(
    ("averaging", "expected"),
    [
        ("response", [[1 / 6, 1 / 6, 1 / 6], [1 / 2, 0, 0]]),
        ("token", [[1 / 4, 1 / 4, 1 / 4], [1 / 4, 0, 0]]),
        ("length", [[1 / 20, 1 / 20, 1 / 20], [1 / 20, 0, 0]]),
    ],
)
def test_each_average_counts_tokens_in_its_own_way(averaging, expected):
    """Padding never counts; with a response or a token as the unit the weights sum to 1."""
    assert token_weights(MASK, averaging, 10).tolist() == [pytest.approx(row) for row in expected]


def test_a_step_without_rollouts_has_no_weights():
    """An empty batch divides by nothing."""
    assert token_weights(torch.zeros(0, 3), "response", 3).shape == (0, 3)
