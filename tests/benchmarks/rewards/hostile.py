"""Rollouts gone wrong: what policies write when they do not write what they were asked for."""

from collections.abc import Sequence
from random import Random

from msgspec import structs

from rewards.sample import Sample
from tests.benchmarks.rewards.workload import make_step

TAGS = ("<think>", "</think>", "<answer>", "</answer>")
INSERTED = ("<answer>", "</think>", "< answer >", " < ", "/", "\n", "\t", "\u00a0", "\u3000", "**")
MARKS = (*"0123456789.,:;-+[]{}()\"' \n", "null", "true", "NaN", "\u0663", "1e3")
# What formulas are made of is left alone: a digit more in a power, and no judge comes back.
LEFT_ALONE = ("math", "multiple_choice")


def hostile_step(seed: int, *, prompts: int, group: int, distinct: bool) -> list[Sample]:
    """A step as `make_step` makes one, two in three of its answers damaged in some way.

    >>> len(hostile_step(1, prompts=2, group=2, distinct=False))
    4
    """
    chance = Random(f"hostile/{seed}")
    step = make_step(seed, prompts=prompts, group=group, distinct=distinct)
    return [_damage(sample, step, chance) for sample in step]


def _damage(sample: Sample, step: Sequence[Sample], chance: Random) -> Sample:
    way = chance.randrange(6)
    response = sample.response
    if way == 0:
        response = chance.choice(step).response if sample.kind not in LEFT_ALONE else response
    elif way == 1:
        place = chance.randrange(len(response) + 1)
        response = response[:place] + chance.choice(INSERTED) + response[place:]
    elif way == 2:
        response = response.replace(chance.choice(TAGS), chance.choice(("", *INSERTED)), 1)
    elif way == 3 and sample.kind not in LEFT_ALONE:
        response = _scratch(response, chance)
    return structs.replace(sample, response=response)


def _scratch(response: str, chance: Random) -> str:
    start = response.find("<answer>") + len("<answer>")
    for _ in range(chance.randint(1, 3)):
        place = chance.randint(min(start, len(response)), len(response))
        cut = place + chance.randrange(3)
        response = response[:place] + chance.choice(("", *MARKS)) + response[cut:]
    return response
