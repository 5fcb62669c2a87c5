"""Tests for `trainer_client.stand_ins` and `trainer_client.options`."""

from statistics import fmean

import pytest
from hypothesis import given
from hypothesis import strategies as st

from trainer_client.errors import BadCall, RewardUnavailable
from trainer_client.options import Options
from trainer_client.stand_ins import stand_in

rollouts = st.lists(
    st.tuples(st.none() | st.floats(-1e6, 1e6), st.sampled_from("abc")), min_size=1, max_size=24
)


@given(rollouts)
def test_the_groups_mean_moves_nothing(batch):
    """Filled in by its group's mean, a rollout has no advantage and shifts no other's."""
    rewards, groups = zip(*batch, strict=True)
    filled = stand_in(rewards, groups, "group_mean")
    for group in set(groups):
        scored = [r for r, g in batch if g == group and r is not None]
        after = [f for f, g in zip(filled, groups, strict=True) if g == group]
        expected = fmean(scored) if scored else 0.0
        assert fmean(after) == pytest.approx(expected, abs=1e-6)
        for was, now in zip((r for r, g in batch if g == group), after, strict=True):
            assert now == (expected if was is None else was)


def test_a_number_stands_for_itself_and_is_told(caplog):
    """The user's own choice is used, and never in silence."""
    assert stand_in([None, 2.0], ["a", "a"], -1) == [-1.0, 2.0]
    assert "1 of 2 rollouts were not scored; they get -1" in caplog.text


def test_a_batch_that_was_scored_is_left_alone(caplog):
    """Nothing is filled in and nothing is logged where nothing is missing."""
    assert stand_in([0.0, 2.0], [None, None], "raise") == [0.0, 2.0]
    assert not caplog.records


@pytest.mark.parametrize("rewards", [[None, 1.0], [1.0, 2.0]], ids=["missing", "complete"])
def test_without_groups_there_is_no_mean_of_one(rewards):
    """It is refused at the first batch, not at the first rollout without a verdict."""
    with pytest.raises(BadCall, match="group_mean needs"):
        stand_in(rewards, [None, None], "group_mean")
    assert stand_in([None, 1.0], [None, "a"], "group_mean") == [0.0, 1.0]


def test_raising_names_how_much_is_missing():
    """Where the framework can lose a rollout, it is told to."""
    with pytest.raises(RewardUnavailable, match="1 of 2 rollouts"):
        stand_in([None, 1.0], [None, None], "raise")


@pytest.mark.parametrize("policy", ["zero", float("nan"), float("inf"), None])
def test_a_policy_that_is_none_is_refused(policy):
    """A typing error does not become a reward."""
    with pytest.raises(BadCall, match="unscored: expected"):
        stand_in([None], ["a"], policy)


def test_options_given_come_before_the_environment_and_that_before_defaults():
    """Who says something nearer is heard first."""
    environment = {"REWARD_SERVICE_KIND": "ocr", "REWARD_SERVICE_UNSCORED": "group_mean"}
    options = Options.read({"kind": "math"}, environment, unscored=0.0, spec="default")
    assert (options.kind, options.unscored, options.spec) == ("math", "group_mean", "default")


def test_options_that_cannot_be_read_are_refused():
    """The variable at fault is named."""
    with pytest.raises(BadCall, match="REWARD_SERVICE_UNSCORED: expected raise or group_mean"):
        Options.read({}, {"REWARD_SERVICE_UNSCORED": "zero"})
    with pytest.raises(BadCall, match="REWARD_SERVICE_RUN"):
        Options.read({}, {}).run_name()
