"""What became of each group of a step: what whoever watches a run counts."""

from collections import Counter
from collections.abc import Iterable, Mapping

from rewards.advantages.rollouts import Group, Normalised

COMPARED, LIMITED, EQUAL, ALONE, DROPPED = FATES = (
    "compared",
    "limited",
    "equal",
    "alone",
    "dropped",
)
"""Told apart; past the limit and put back; of one reward; of one rollout; left by the filter."""

Fates = Mapping[tuple[str, str], int]


def fates_of(
    kept: Iterable[tuple[Group, Normalised]], dropped: Iterable[Group]
) -> Counter[tuple[str, str]]:
    """Count groups by the task of their first rollout and what became of them, each group once."""
    fates = Counter((group.tasks[0], _fate(group, done)) for group, done in kept)
    fates.update((group.tasks[0], DROPPED) for group in dropped)
    return fates


def _fate(group: Group, done: Normalised) -> str:
    if not group.comparable:
        return ALONE
    if not any(group.centred):
        return EQUAL
    return LIMITED if done.limited else COMPARED
