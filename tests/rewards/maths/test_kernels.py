"""Tests for `rewards.maths.kernels`."""

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

from rewards.maths.kernels import gaussian, laplace

distances = st.floats(min_value=0, max_value=1e4)
scales = st.floats(min_value=0.5, max_value=100)


@pytest.mark.parametrize(
    ("kernel", "expected"),
    [
        pytest.param(gaussian, math.exp(-0.5), id="gaussian"),
        pytest.param(laplace, math.exp(-1), id="laplace"),
    ],
)
def test_one_scale_away(kernel, expected):
    """At a distance of one scale a Gaussian has fallen to e^-1/2 and a Laplace kernel to e^-1."""
    assert kernel(50.0, 50.0) == pytest.approx(expected)


@given(distances, scales)
def test_each_is_its_density_scaled_to_one_at_zero(distance, scale):
    """Scipy's densities, divided by their peaks, are the same functions."""
    normal, peak = stats.norm.pdf([distance, 0], scale=scale)
    assert gaussian(distance, scale) == pytest.approx(normal / peak, rel=1e-9, abs=1e-300)
    double, peak = stats.laplace.pdf([distance, 0], scale=scale)
    assert laplace(distance, scale) == pytest.approx(double / peak, rel=1e-9, abs=1e-300)


@given(distances, distances, scales)
def test_nearer_is_never_less_similar(one, other, scale):
    """Similarity falls with distance and stays within [0, 1]."""
    near, far = sorted((one, other))
    for kernel in (gaussian, laplace):
        assert 1.0 >= kernel(near, scale) >= kernel(far, scale) >= 0.0
