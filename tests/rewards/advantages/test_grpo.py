"""Tests for `rewards.advantages.grpo`."""

import statistics

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rewards.advantages.rollouts import Rollouts
from rewards.advantages.step import take_step
from rewards.specs import ONETHINKER_PAPER, ONETHINKER_RELEASED


def grpo(*rewards, spec=ONETHINKER_RELEASED):
    """The estimate for one group."""
    rollouts = Rollouts(rewards, ["p"] * len(rewards), ["math"] * len(rewards))
    return take_step(rollouts, {}, spec=spec, estimator="grpo")


def test_a_pair_by_hand():
    """Rewards 1 and 0 deviate by √½ over n - 1, so the advantages are ±½ / (√½ + 1e-6)."""
    assert grpo(1.0, 0.0).advantages == pytest.approx([0.7071057812, -0.7071057812])


@given(st.lists(st.floats(-100, 100), min_size=2, max_size=16))
def test_agrees_with_the_standard_library(rewards):
    """The advantages are those that `statistics` gives, in either spec."""
    mean, scale = statistics.fmean(rewards), statistics.stdev(rewards) + 1e-6
    expected = [(reward - mean) / scale for reward in rewards]
    for spec in (ONETHINKER_PAPER, ONETHINKER_RELEASED):
        assert grpo(*rewards, spec=spec).advantages == pytest.approx(expected, rel=1e-6, abs=1e-6)


def test_no_state_is_kept():
    """Nothing is folded and the state stays empty."""
    estimate = grpo(1.0, 0.0)
    assert estimate.state == estimate.folded == {}


def test_a_lone_rollout_keeps_its_reward():
    """A group of one has advantage 0 and no scale."""
    estimate = grpo(7.0, None)
    assert estimate.advantages == [0.0, None]
    assert estimate.scaled_rewards == [7.0, None]


def test_large_groups_may_pass_the_limit_of_the_moving_average():
    """The limit belongs to EMA-GRPO: one hit in fifty stands at seven deviations."""
    assert grpo(1.0, *[0.0] * 49).advantages[0] == pytest.approx(6.93, abs=0.01)
