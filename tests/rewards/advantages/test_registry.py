"""Tests for `rewards.advantages.registry`."""

import pytest

from rewards.advantages.registry import ESTIMATORS, find_estimator
from rewards.errors import UnknownEstimator


def test_names_are_distinct():
    """No two rows answer to one name."""
    names = [estimator.name for estimator in ESTIMATORS]
    assert sorted(set(names)) == sorted(names)


def test_an_unknown_name_is_answered_with_the_known_ones():
    """The error says what there is."""
    with pytest.raises(UnknownEstimator, match="'gae'; known: ema_grpo, grpo, dr_grpo"):
        find_estimator("gae")
