"""Tests for `rewards.advantages.dr_grpo`."""

from rewards.advantages.rollouts import Rollouts
from rewards.advantages.step import take_step
from rewards.specs import ONETHINKER_RELEASED


def test_only_the_mean_is_taken_off():
    """Advantages are centred rewards, whatever their size; the rewards stay as they are."""
    rollouts = Rollouts([40.0, 0.0, None, 3.0], ["a", "a", "a", "b"], ["math"] * 4)
    estimate = take_step(rollouts, {}, spec=ONETHINKER_RELEASED, estimator="dr_grpo")
    assert estimate.advantages == [20.0, -20.0, None, 0.0]
    assert estimate.scaled_rewards == [40.0, 0.0, None, 3.0]
    assert estimate.state == {}
