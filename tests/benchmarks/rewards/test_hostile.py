"""The library against the straightforward way, on rollouts of every kind gone wrong."""

import pytest

from tests.benchmarks.rewards.hostile import hostile_step
from tests.benchmarks.rewards.ways import Step, by_library, check_same

# The straightforward way casts whatever number it reads to 32 bits.
pytestmark = pytest.mark.filterwarnings("ignore:overflow encountered in cast")

FEW, MANY = 250, 5_000
GROUPS = pytest.mark.parametrize(("group", "distinct"), [(8, False), (1, True)])


def check(seed: int, items: int, group: int, *, distinct: bool) -> None:
    """Fail at the first item whose numbers differ."""
    samples = hostile_step(seed, prompts=items // group, group=group, distinct=distinct)
    check_same(Step(samples, b""), by_library)


@GROUPS
def test_nothing_differs(group, distinct):
    """Damaged tags, tokens and numbers come to the same on the fast paths."""
    check(1, FEW, group, distinct=distinct)


@pytest.mark.long
@GROUPS
@pytest.mark.parametrize("seed", range(2, 12))
def test_nothing_differs_in_a_hundred_thousand(seed, group, distinct):
    """The same for 100,000 items."""
    check(seed, MANY, group, distinct=distinct)
