"""Tests for `rewards.advantages.rollouts`."""

import pytest

from rewards.advantages.rollouts import LARGEST_REWARD, Rollouts, form_groups
from rewards.errors import BadRollouts


@pytest.mark.parametrize("short", ["groups", "tasks", "accuracy"])
def test_columns_of_unequal_length_are_refused(short):
    """Each column stands beside the rewards, and the error names the one that does not."""
    columns = {"groups": ["a", "a"], "tasks": ["t", "t"], "accuracy": [1.0, 0.0]}
    columns[short] = columns[short][:1]
    with pytest.raises(BadRollouts, match=rf"{short}: expected as many .* \(2\), got 1"):
        Rollouts([1.0, 0.0], **columns)


@pytest.mark.parametrize(
    "reward", [float("nan"), float("inf"), -float("inf"), 1e308, -2 * LARGEST_REWARD]
)
def test_a_reward_that_cannot_be_squared_is_refused(reward):
    """The error names the position and the range."""
    with pytest.raises(BadRollouts, match=r"rewards\[1\]: expected a number between -1e\+150"):
        Rollouts([1.0, reward], ["a", "a"], ["t", "t"])


def test_groups_hold_scored_rollouts_only():
    """Positions lead back into the step, and a group of unscored rollouts does not appear."""
    rollouts = Rollouts([None, 3.0, None, 1.0], ["a", "b", "c", "b"], ["t"] * 4)
    groups = form_groups(rollouts)
    assert list(groups) == ["b"]
    assert groups["b"].positions == [1, 3]
    assert groups["b"].centred == [1.0, -1.0]
