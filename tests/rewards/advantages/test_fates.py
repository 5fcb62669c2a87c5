"""Tests for `rewards.advantages.fates`."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rewards.advantages.fates import FATES
from rewards.advantages.filters import AccuracyFilter
from rewards.advantages.rollouts import Rollouts
from rewards.advantages.step import take_step
from rewards.maths.moments import Moments
from rewards.specs import ONETHINKER_PAPER, ONETHINKER_RELEASED

SPECS = (ONETHINKER_RELEASED, ONETHINKER_PAPER)


def test_each_group_is_counted_for_what_became_of_it():
    """A step with one group of each sort, by hand."""
    rollouts = Rollouts(
        rewards=[1.0, 0.0, 0.5, 0.5, 1.0, None, 1.0, 1.0],
        groups=["told", "told", "same", "same", "lone", "lone", "left", "left"],
        tasks=["math"] * 4 + ["ocr"] * 4,
        accuracy=[1.0, 0.0, 0.5, 0.5, 0.5, None, 1.0, 1.0],
    )
    estimate = take_step(rollouts, {}, spec=ONETHINKER_PAPER, accuracy_filter=AccuracyFilter())
    assert estimate.fates == {
        ("math", "compared"): 1,
        ("math", "equal"): 1,
        ("ocr", "alone"): 1,
        ("ocr", "dropped"): 1,
    }


@pytest.mark.parametrize("spec", SPECS, ids=lambda spec: spec.name)
def test_a_limit_that_is_met_is_told(spec):
    """Under far too small a deviation the group is put back, by either rule, and counted so."""
    rollouts = Rollouts([1.0, 0.0], ["p", "p"], ["math", "math"])
    estimate = take_step(rollouts, {"math": Moments(0.5, 1e-8, 100_000)}, spec=spec)
    assert estimate.fates == {("math", "limited"): 1}


@given(
    st.lists(
        st.tuples(st.sampled_from([None, 0.0, 1.0]), st.sampled_from("abcd")),
        min_size=1,
        max_size=12,
    ),
    st.sampled_from(["ema_grpo", "grpo", "dr_grpo"]),
)
def test_no_group_is_counted_twice_or_left_out(rows, estimator):
    """Whatever the estimator, there are as many fates as groups with a scored rollout."""
    rollouts = Rollouts([r for r, _ in rows], [g for _, g in rows], ["t"] * len(rows))
    estimate = take_step(rollouts, {}, spec=ONETHINKER_RELEASED, estimator=estimator)
    assert sum(estimate.fates.values()) == len({g for r, g in rows if r is not None})
    assert {fate for _, fate in estimate.fates} <= set(FATES)
