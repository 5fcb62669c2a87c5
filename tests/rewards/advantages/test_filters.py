"""Tests for `rewards.advantages.filters`."""

import pytest

from rewards.advantages.filters import AccuracyFilter
from rewards.advantages.rollouts import Rollouts
from rewards.advantages.step import take_step
from rewards.errors import BadRollouts
from rewards.maths.moments import Moments
from rewards.specs import ONETHINKER_RELEASED


def step(accuracy, rewards=(1.0, 0.0, 0.9, 0.1), low=0.01, high=0.99):
    """A step of two groups of two, filtered."""
    rollouts = Rollouts(rewards, ["a", "a", "b", "b"], ["math"] * 4, accuracy)
    bounds = AccuracyFilter(low, high)
    return take_step(rollouts, {}, spec=ONETHINKER_RELEASED, accuracy_filter=bounds)


def test_a_solved_group_is_dropped_before_the_state_moves():
    """Group b is solved by all: its advantages are 0 and sigma is that of group a alone."""
    estimate = step([1, 0, 1, 1])
    assert estimate.kept == [True, True, False, False]
    assert estimate.advantages[2:] == [0.0, 0.0]
    assert estimate.scaled_rewards[2:] == [0.0, 0.0]
    assert estimate.state == {"math": Moments(0.5, 0.25, updates=1)}


def test_a_hopeless_group_is_dropped():
    """Group a is solved by none."""
    assert step([0, 0, 1, 0]).kept == [False, False, True, True]


def test_a_step_of_dropped_groups_moves_nothing():
    """With every group dropped there is nothing to fold."""
    estimate = step([0, 0, 1, 1])
    assert estimate.state == {}
    assert estimate.advantages == [0.0] * 4


@pytest.mark.parametrize(
    ("low", "high", "kept"), [(0.0, 0.5, False), (0.5, 1.0, False), (0.49, 0.51, True)]
)
def test_the_bounds_are_not_within(low, high, kept):
    """A mean accuracy of exactly a bound is dropped."""
    assert step([1, 0, 1, 0], low=low, high=high).kept == [kept] * 4


def test_unscored_rollouts_do_not_vote():
    """Group b is left with one scored and solved rollout, so it is dropped."""
    estimate = step([1, 0, None, 1], rewards=(1.4, 0.2, None, 1.1))
    assert estimate.kept == [True, True, False, False]
    assert estimate.advantages[2:] == [None, 0.0]


@pytest.mark.parametrize("accuracy", [None, (1, 0, None, 1), (1, 0, float("nan"), 1)])
def test_the_filter_needs_an_accuracy_for_every_scored_rollout(accuracy):
    """A missing accuracy is refused, not guessed."""
    with pytest.raises(BadRollouts, match="accuracy"):
        step(accuracy)
