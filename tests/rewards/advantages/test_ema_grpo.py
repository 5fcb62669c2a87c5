"""Tests for `rewards.advantages.ema_grpo`."""

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rewards.advantages.rollouts import LARGEST_REWARD, Rollouts
from rewards.advantages.step import take_step
from rewards.maths.moments import Moments
from rewards.specs import ONETHINKER_PAPER, ONETHINKER_RELEASED, Spec

PLAIN = Spec(name="plain", std_epsilon=0.0, limit_rule="clip", advantage_limit=1e6)


def math_rollouts(*rewards, group="p1"):
    """Rollouts of one group of one task."""
    return Rollouts(rewards, [group] * len(rewards), ["math"] * len(rewards))


def test_a_first_step_by_hand():
    """Rewards 1 and 0: m1 = m2 = 1/2, so sigma = 1/2 and the advantages are ±1."""
    estimate = take_step(math_rollouts(1.0, 0.0), {}, spec=PLAIN)
    assert estimate.advantages == [1.0, -1.0]
    assert estimate.scaled_rewards == [2.0, 0.0]
    assert estimate.state == {"math": Moments(0.5, 0.25, updates=1)}


def test_the_moments_move_before_the_rewards_are_scaled():
    """At decay 0.5, m1 = 0 and m2 = 1 and the batch 2, 0 lead to m1 = 0.5 and m2 = 1.5."""
    spec = Spec(name="half", ema_decay=0.5, std_epsilon=0.0, limit_rule="clip")
    before = {"math": Moments(0.0, 1.0, updates=1)}
    estimate = take_step(math_rollouts(2.0, 0.0), before, spec=spec)
    assert estimate.advantages == pytest.approx([1 / math.sqrt(1.25), -1 / math.sqrt(1.25)])


def test_the_given_state_is_not_touched():
    """State goes in and a new state comes out."""
    before = {"math": Moments(0.0, 1.0, updates=1)}
    take_step(math_rollouts(2.0, 0.0), before, spec=PLAIN)
    assert before == {"math": Moments(0.0, 1.0, updates=1)}


def test_tasks_do_not_feel_each_other():
    """A task's moments come from its own rewards, and a task that is not seen stays put."""
    rollouts = Rollouts([1, 0, 30, 10], ["a", "a", "b", "b"], ["math", "math", "ocr", "ocr"])
    before = {"tracking": Moments(0.1, 0.2, updates=3)}
    estimate = take_step(rollouts, before, spec=PLAIN)
    assert estimate.advantages == [1.0, -1.0, 1.0, -1.0]
    assert estimate.state["tracking"] == before["tracking"]
    assert estimate.state["ocr"] == Moments(20.0, 100.0, updates=1)


def test_each_rollout_of_a_mixed_group_is_measured_by_its_own_task():
    """In a group of two tasks each rollout is divided by the sigma of its own."""
    before = {"math": Moments(0.0, 1.0, updates=1), "ocr": Moments(0.0, 4.0, updates=1)}
    still = Spec(name="still", ema_decay=1.0, std_epsilon=0.0)
    estimate = take_step(Rollouts([1, -1], ["a", "a"], ["math", "ocr"]), before, spec=still)
    assert estimate.advantages == [1.0, -0.5]


OUTLIER = math_rollouts(80.0, *[0.0] * 7)
NARROW = {"math": Moments(0.0, 1e-4, updates=500)}


def test_the_paper_clips_what_passes_the_limit():
    """An advantage beyond ±5 is cut to it, and its neighbours keep theirs."""
    estimate = take_step(OUTLIER, NARROW, spec=ONETHINKER_PAPER)
    sigma = estimate.state["math"].std(1e-3)
    assert estimate.advantages == pytest.approx([5.0] + [-10 / sigma] * 7)
    assert estimate.scaled_rewards == pytest.approx([80 / sigma] + [0] * 7)


def test_the_released_rule_falls_back_on_the_groups_own_spread():
    """One advantage beyond ±5 and the whole group is measured by its own population std."""
    estimate = take_step(OUTLIER, NARROW, spec=ONETHINKER_RELEASED)
    own = math.sqrt((70**2 + 7 * 10**2) / 8) + 1e-6
    assert estimate.advantages == pytest.approx([70 / own] + [-10 / own] * 7)
    assert estimate.scaled_rewards == pytest.approx([80 / own] + [0] * 7)


def test_the_fallback_spares_other_groups():
    """Only the group that passes the limit is measured by itself."""
    rollouts = Rollouts([80, *[0] * 7, 1, 0], list("aaaaaaaabb"), ["math"] * 10)
    estimate = take_step(rollouts, NARROW, spec=ONETHINKER_RELEASED)
    sigma = estimate.state["math"].std(1e-3) + 1e-6
    assert estimate.advantages[8:] == pytest.approx([0.5 / sigma, -0.5 / sigma])


def test_a_group_at_the_limit_is_within_it():
    """Exactly 5 does not pass 5."""
    still = Spec(name="still", ema_decay=1.0, std_epsilon=0.0)
    estimate = take_step(math_rollouts(5, -5), {"math": Moments(0, 1, updates=1)}, spec=still)
    assert estimate.advantages == [5.0, -5.0]


def test_unscored_rollouts_take_no_part():
    """Without its unscored rollouts a step comes to the very same numbers."""
    holed = Rollouts([1.0, None, 0.25, None], ["a", "a", "a", "b"], ["math"] * 3 + ["ocr"])
    estimate = take_step(holed, {}, spec=ONETHINKER_RELEASED)
    alone = take_step(math_rollouts(1.0, 0.25), {}, spec=ONETHINKER_RELEASED)
    assert [estimate.advantages[0], estimate.advantages[2]] == alone.advantages
    assert estimate.state == alone.state
    assert estimate.advantages[1] is estimate.advantages[3] is estimate.scaled_rewards[1] is None
    assert estimate.kept == [True, False, True, False]


def test_a_lone_rollout_has_advantage_zero_and_moves_nothing():
    """A group left with one scored rollout is compared to nothing."""
    before = {"math": Moments(0.5, 0.25, updates=1)}
    rollouts = Rollouts([7.0, None, 3.0], ["a", "a", "b"], ["math", "math", "new"])
    estimate = take_step(rollouts, before, spec=PLAIN)
    assert estimate.advantages == [0.0, None, 0.0]
    assert estimate.scaled_rewards == [14.0, None, 3.0]
    assert estimate.state == before
    assert estimate.folded == {}


def test_equal_rewards_are_worth_exactly_nothing():
    """A group of equal rewards has advantage 0, not a rounding error over the floor."""
    estimate = take_step(math_rollouts(*[0.1] * 7), {}, spec=ONETHINKER_RELEASED)
    assert estimate.advantages == [0.0] * 7
    assert estimate.state["math"].variance == 0.0


def test_huge_constant_rewards_never_turn_the_variance_negative():
    """A thousand steps of rewards of 1e8 leave sigma at its floor."""
    state = {}
    for _ in range(1000):
        estimate = take_step(math_rollouts(*[1e8] * 8), state, spec=ONETHINKER_RELEASED)
        state = estimate.state
        assert estimate.advantages == [0.0] * 8
    assert state["math"] == Moments(1e8, 0.0, updates=1000)


rewards = st.floats(-20, 20).map(lambda value: round(value, 3)) | st.none()
steps = st.lists(
    st.tuples(rewards, st.sampled_from("abcd"), st.sampled_from(["math", "ocr"])), max_size=40
)


@given(steps, st.randoms(), st.sampled_from([ONETHINKER_PAPER, ONETHINKER_RELEASED]))
def test_the_order_of_rollouts_does_not_change_a_bit(step, random, spec):
    """However a batch is laid out, each rollout gets the same advantage and the state is equal."""
    order = list(range(len(step)))
    random.shuffle(order)
    plain, mixed = (
        take_step(
            Rollouts(*zip(*rows, strict=True)) if rows else Rollouts([], [], []), {}, spec=spec
        )
        for rows in (step, [step[i] for i in order])
    )
    assert mixed.state == plain.state
    assert list(mixed.advantages) == [plain.advantages[i] for i in order]
    assert list(mixed.scaled_rewards) == [plain.scaled_rewards[i] for i in order]


@given(steps)
def test_advantages_of_a_group_add_up_to_nothing(step):
    """Unclipped advantages of a group of one task sum to 0."""
    step = [(reward, group, "math") for reward, group, _ in step]
    if not step:
        return
    columns = Rollouts(*zip(*step, strict=True))
    estimate = take_step(columns, {}, spec=ONETHINKER_RELEASED)
    for group in set(columns.groups):
        values = zip(estimate.advantages, columns.groups, strict=True)
        total = sum(value for value, label in values if label == group and value is not None)
        assert total == pytest.approx(0.0, abs=1e-6)


@given(st.lists(st.floats(-LARGEST_REWARD, LARGEST_REWARD), min_size=1, max_size=20))
def test_whatever_is_accepted_comes_out_finite(values):
    """Rewards up to the largest allowed give finite advantages, scaled rewards and moments."""
    for spec in (ONETHINKER_PAPER, ONETHINKER_RELEASED):
        estimate = take_step(math_rollouts(*values), {}, spec=spec)
        assert all(map(math.isfinite, estimate.advantages))
        assert all(map(math.isfinite, estimate.scaled_rewards))
        assert all(math.isfinite(moments.variance) for moments in estimate.state.values())
