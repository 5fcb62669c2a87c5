"""Tests for `rewards.maths.relative_accuracy`."""

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from rewards.maths.relative_accuracy import (
    mean_relative_accuracy,
    mean_relative_accuracy_float32,
)

numbers = st.floats(min_value=-1e30, max_value=1e30) | st.decimals(
    min_value=-1000, max_value=1000, places=2
).map(float)


def in_torch(predicted, true):
    """The measure in float32 tensors, step by step."""
    p, t = torch.tensor([predicted, true], dtype=torch.float32)
    error = torch.abs(p - t) / (torch.abs(t) + 1e-8)
    thresholds = torch.arange(0.5, 0.95 + 0.025, 0.05, dtype=torch.float32)
    return (error < 1 - thresholds).float().mean().item()


@pytest.mark.parametrize(
    ("predicted", "true", "expected"),
    [
        pytest.param(10, 10, 1.0, id="exact"),
        pytest.param(14.9, 10, 0.1, id="49-percent-off"),
        pytest.param(-3.1, -4, 0.6, id="22-percent-off"),
        pytest.param(20, 10, 0.0, id="double"),
        pytest.param(1e-8, 0, 0.0, id="true-zero"),
    ],
)
def test_worked_by_hand(predicted, true, expected):
    """The share of the ten tolerances met."""
    assert mean_relative_accuracy(predicted, true) == pytest.approx(expected)
    assert mean_relative_accuracy_float32(predicted, true) == pytest.approx(expected)


@given(numbers, numbers)
def test_float32_is_bit_for_bit_what_torch_computes(predicted, true):
    """Every rounding happens where torch rounds, ties included."""
    assert mean_relative_accuracy_float32(predicted, true) == in_torch(predicted, true)


@pytest.mark.parametrize("hundredths", range(0, 101, 5))
def test_ties_fall_as_in_float32(hundredths):
    """Predictions that stand exactly on a tolerance are decided as the released code decides."""
    predicted = 10 - hundredths / 10
    assert mean_relative_accuracy_float32(predicted, 10) == in_torch(predicted, 10)


@given(numbers, numbers)
def test_double_precision_agrees_with_numpy(predicted, true):
    """The same share in numpy's doubles."""
    with np.errstate(over="ignore", invalid="ignore"):
        error = np.abs(np.float64(predicted) - true) / (np.abs(np.float64(true)) + 1e-8)
    tolerances = np.array([50, 45, 40, 35, 30, 25, 20, 15, 10, 5]) / 100
    assert mean_relative_accuracy(predicted, true) == pytest.approx(np.mean(error < tolerances))


@pytest.mark.parametrize("huge", [1e39, -1e39, 1e300])
def test_what_float32_cannot_hold_meets_no_threshold(huge):
    """An overflow to infinity is never accurate, not even against itself."""
    assert mean_relative_accuracy_float32(huge, huge) == 0.0
    assert mean_relative_accuracy_float32(1.0, huge) == 0.0
