"""GRPO: every group is measured by its own spread."""

from collections.abc import Sequence

from rewards.advantages.rollouts import EmaState, Group, Normalised, Outcome, divide
from rewards.maths.groups import sample_std
from rewards.specs import Spec

STD_EPSILON = 1e-6
"""Keeps a group of equal rewards from dividing by zero; the same in every spec."""


def estimate_grpo(groups: Sequence[Group], state: EmaState, _: Spec) -> Outcome:
    """A = (R - mean of the group) / (sample std of the group + 1e-6).

    DeepSeek-R1 (arXiv 2501.12948), equation 3. A group of one has advantage 0.
    """
    return Outcome([_normalise(group) for group in groups], state, folded={})


def _normalise(group: Group) -> Normalised:
    scale = sample_std(group.centred) + STD_EPSILON if group.comparable else 1.0
    return divide(group, [scale] * len(group.rewards))
