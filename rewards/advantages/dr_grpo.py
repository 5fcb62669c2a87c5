"""Dr. GRPO: rewards less their group's mean, and nothing else."""

from collections.abc import Sequence

from rewards.advantages.rollouts import EmaState, Group, Normalised, Outcome
from rewards.specs import Spec


def estimate_dr_grpo(groups: Sequence[Group], state: EmaState, _: Spec) -> Outcome:
    """A = R - mean of the group.

    Understanding R1-Zero-like training (arXiv 2503.20783), section 3.2.
    """
    return Outcome([Normalised(group.centred, group.rewards) for group in groups], state, folded={})
