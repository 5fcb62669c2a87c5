"""Batches that come out the same whoever is in them.

Rounding depends on a batch's shape, so a batch is always full, its last member repeated if need
be, and holds only what needs no padding: then no reward depends on who shares the batch.
"""

from collections import defaultdict
from collections.abc import Iterator, Sequence
from typing import TypeVar

from rewards.ports import MaskPrompt

Item = TypeVar("Item")


def filled(items: Sequence[Item], size: int) -> list[Item]:
    """Repeat the last of at least one item until there are `size`.

    >>> filled([1, 2], 4)
    [1, 2, 2, 2]
    """
    return [*items, *[items[-1]] * (size - len(items))]


def batches(prompts: Sequence[MaskPrompt], size: int) -> Iterator[list[MaskPrompt]]:
    """Put distinct prompts with equally many points together, at most `size` of them.

    To a mask decoder a padding point is not nothing.
    """
    by_count: dict[int, list[MaskPrompt]] = defaultdict(list)
    for prompt in dict.fromkeys(prompts):
        by_count[len(prompt.positive) + len(prompt.negative)].append(prompt)
    for alike in by_count.values():
        for start in range(0, len(alike), size):
            yield alike[start : start + size]
