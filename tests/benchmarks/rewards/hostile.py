"""Rollouts gone wrong: what policies write when they do not write what they were asked for."""

from collections import defaultdict
from collections.abc import Sequence
from random import Random

from msgspec import structs

from rewards.sample import Sample
from tests.benchmarks.rewards.workload import make_step

TAGS = ("<think>", "</think>", "<answer>", "</answer>")
INSERTED = ("<answer>", "</think>", "< answer >", " < ", "/", "\n", "\t", "\u00a0", "\u3000", "**")
MARKS = (*"0123456789.,:;-+[]{}()\"' \n", "null", "true", "NaN", "\u0663", "1e3", "")
DIGITS = "0123456789-."
# Of formulas, a digit more in a power, and no judge comes back; of JSON, the straightforward way
# takes the shape for granted.
LEFT_ALONE = ("math", "multiple_choice")
TEXTS = ("numerical", "regression", "ocr", "open_ended")


def hostile_step(seed: int, *, prompts: int, group: int, distinct: bool) -> list[Sample]:
    """A step as `make_step` makes one, most of its answers damaged in some way.

    >>> len(hostile_step(1, prompts=2, group=2, distinct=False))
    4
    """
    chance = Random(f"hostile/{seed}")
    step = make_step(seed, prompts=prompts, group=group, distinct=distinct)
    alike = defaultdict(list)
    for sample in step:
        alike[sample.kind, sample.media_type].append(sample.response)
    return [
        structs.replace(
            sample, response=_damaged(sample, alike[sample.kind, sample.media_type], chance)
        )
        for sample in step
    ]


def _damaged(sample: Sample, others: Sequence[str], chance: Random) -> str:
    response, way = sample.response, chance.randrange(5)
    if way == 0:
        response = chance.choice(others)
    elif way == 1:
        place = chance.randrange(len(response) + 1)
        response = response[:place] + chance.choice(INSERTED) + response[place:]
    elif way == 2:
        response = response.replace(chance.choice(TAGS), chance.choice(("", *INSERTED)), 1)
    elif sample.kind in TEXTS:
        response = _scratched(response, chance)
    elif sample.kind not in LEFT_ALONE:
        response = _altered(response, chance)
    return response


def _scratched(response: str, chance: Random) -> str:
    """Some characters of the answer are others, or gone."""
    start = response.find("<answer>") + len("<answer>")
    for _ in range(chance.randint(1, 3)):
        place = chance.randint(min(start, len(response)), len(response))
        response = response[:place] + chance.choice(MARKS) + response[place + chance.randrange(3) :]
    return response


def _altered(response: str, chance: Random) -> str:
    """Some digits are others, or no digits."""
    places = [place for place, character in enumerate(response) if character.isdigit()]
    for place in chance.sample(places, min(len(places), 2)):
        response = response[:place] + chance.choice(DIGITS) + response[place + 1 :]
    return response
