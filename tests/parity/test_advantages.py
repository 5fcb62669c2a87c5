"""Advantages against the recorded steps of the released code and of the paper's formulas."""

import json
from pathlib import Path

import pytest

from rewards.advantages.rollouts import Rollouts
from rewards.advantages.step import take_step
from rewards.specs import ONETHINKER_PAPER, ONETHINKER_RELEASED

STEPS = json.loads((Path(__file__).parents[1] / "golden" / "advantages.json").read_text())


def task_of(problem_type, data_type):
    """The task key of a recorded rollout: segmentation is split by media type."""
    return f"{problem_type}/{data_type}" if problem_type == "segmentation" else problem_type


def rollouts_of(step):
    """The rollouts of a recorded step."""
    tasks = list(map(task_of, step["problem_type"], step["data_type"]))
    return Rollouts(step["reward"], step["group"], tasks)


def replay(spec):
    """Every recorded step with what is estimated for it, one state running through."""
    state = {}
    for step in STEPS:
        estimate = take_step(rollouts_of(step), state, spec=spec)
        state = estimate.state
        yield step, estimate


def test_released_advantages_match_the_recorded_float32_ones():
    """The released rule gives the recorded advantages and deviations, to their precision."""
    for step, estimate in replay(ONETHINKER_RELEASED):
        assert estimate.advantages == pytest.approx(step["released"]["advantage"], abs=2e-4)
        deviations = {task: moments.std(1e-3) for task, moments in estimate.state.items()}
        assert deviations == pytest.approx(step["released"]["std"], abs=1e-5)


def test_paper_advantages_match_the_recorded_double_ones():
    """The paper's rule gives the recorded advantages and moments, to their nine digits."""
    for step, estimate in replay(ONETHINKER_PAPER):
        assert estimate.advantages == pytest.approx(step["paper"]["advantage"], abs=1e-9)
        for task, (mean, mean_square) in step["paper"]["m1_m2"].items():
            assert estimate.state[task].mean == pytest.approx(mean, rel=1e-12)
            assert estimate.state[task].mean_square == pytest.approx(mean_square, rel=1e-12)


def test_the_recorded_steps_reach_both_limit_rules():
    """Somewhere in the record the paper clips and the released code falls back on the group."""
    clipped = [step for step in STEPS if max(map(abs, step["paper"]["advantage"])) == 5.0]
    assert clipped
    assert all(max(map(abs, step["released"]["advantage"])) < 5.0 for step in clipped)


def test_scaled_rewards_lead_a_mean_only_trainer_to_the_same_advantages():
    """Taking the group's mean off the scaled rewards gives the advantages, fallback included."""
    for step, estimate in replay(ONETHINKER_RELEASED):
        for group in set(step["group"]):
            places = [i for i, label in enumerate(step["group"]) if label == group]
            scaled = [estimate.scaled_rewards[i] for i in places]
            mean = sum(scaled) / len(scaled)
            assert [value - mean for value in scaled] == pytest.approx(
                [estimate.advantages[i] for i in places], abs=1e-9
            )
