"""What is computed, and in which batches: as little as may be, and the same whoever shares it.

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


def reach(keyframe: int, frames: Sequence[int], count: int) -> range:
    """Return which of `count` frames to track, so that nothing left out would change `frames`.

    The way back remembers the whole way on; without one, nothing counts after the last frame.

    >>> reach(2, [2, 4], 9), reach(2, [1, 4], 9)
    (range(2, 5), range(1, 9))
    """
    first, last = min(keyframe, *frames), max(keyframe, *frames)
    return range(first, count if first < keyframe else last + 1)
