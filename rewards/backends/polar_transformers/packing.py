"""Many inputs laid end to end in one row, what they share only once.

There is no padding: every token of the row is computed once and for somebody. Rollouts of one
prompt begin with the same tokens; those stand in the row once, and the attention of each rollout
looks back at them.
"""

from collections.abc import Hashable, Iterable, Sequence
from dataclasses import dataclass

WIDEST_TO_NARROWEST = 2  # rows attended together may be padded to twice their length


@dataclass(frozen=True, slots=True)
class Passage:
    """One input of the model; its first `known` tokens are prompt, reference and separator."""

    tokens: tuple[int, ...]
    known: int

    @property
    def family(self) -> Hashable:
        """What rollouts of one prompt and reference have in common."""
        return self.tokens[: self.known]


@dataclass(frozen=True, slots=True)
class Span:
    """Tokens `start` to `start + length` of the row."""

    start: int
    length: int


@dataclass(frozen=True, slots=True)
class Block:
    """Spans whose tokens are attended together: each looks back at `past`, then at itself."""

    past: Span
    spans: tuple[Span, ...]


@dataclass(frozen=True, slots=True)
class Packed:
    """A row of tokens with their positions, the last token of each passage, and the blocks."""

    tokens: tuple[int, ...]
    positions: tuple[int, ...]
    ends: tuple[int, ...]
    blocks: tuple[Block, ...]


NO_PAST = Span(0, 0)


class _Row:
    """The tokens laid out so far."""

    def __init__(self) -> None:
        self.tokens: list[int] = []
        self.positions: list[int] = []

    def lay(self, part: Sequence[int], position: int) -> Span:
        """Append the tokens, the first of them at `position` of its passage."""
        span = Span(len(self.tokens), len(part))
        self.tokens.extend(part)
        self.positions.extend(range(position, position + len(part)))
        return span


def pack(passages: Sequence[Passage], *, share: bool = True) -> Packed:
    """Lay out the passages in one row; `ends` stands in their order.

    >>> packed = pack([Passage((1, 2, 3, 9), 2), Passage((1, 2, 4, 9), 2)])
    >>> packed.tokens, packed.positions, packed.ends
    ((1, 2, 3, 9, 4, 9), (0, 1, 2, 3, 2, 3), (3, 5))
    """
    row = _Row()
    ends = [0] * len(passages)
    first_spans: list[Span] = []
    later_blocks: list[Block] = []
    for members in _families(passages, share=share):
        texts = [passages[i].tokens for i in members]
        shared = shared_length(texts)
        past = row.lay(texts[0][:shared], 0)
        spans = [row.lay(text[shared:], shared) for text in texts]
        for i, span in zip(members, spans, strict=True):
            ends[i] = span.start + span.length - 1
        if shared:
            first_spans.append(past)
            later_blocks += _blocks(past, spans)
        else:
            first_spans += spans
    blocks = (*_blocks(NO_PAST, first_spans), *later_blocks)
    return Packed(tuple(row.tokens), tuple(row.positions), tuple(ends), blocks)


def shared_length(rows: Sequence[tuple[int, ...]]) -> int:
    """How many tokens two or more rows begin with in common, leaving each one of its own.

    >>> shared_length([(1, 2, 3), (1, 2, 4), (1, 2)])
    1
    >>> shared_length([(1, 2, 3)])
    0
    """
    if len(rows) == 1:
        return 0
    # Whatever the smallest and the largest begin with, all between them begin with.
    first, last = min(rows), max(rows)
    longest = min(map(len, rows)) - 1
    return next((i for i in range(longest) if first[i] != last[i]), longest)


def _families(passages: Sequence[Passage], *, share: bool) -> Iterable[list[int]]:
    families: dict[Hashable, list[int]] = {}
    for i, passage in enumerate(passages):
        families.setdefault(passage.family if share else i, []).append(i)
    return families.values()


def _blocks(past: Span, spans: Iterable[Span]) -> list[Block]:
    """Group spans of like length, the longest first, so that padding stays below a half."""
    blocks: list[list[Span]] = []
    for span in sorted(spans, key=lambda span: -span.length):
        if blocks and blocks[-1][0].length <= WIDEST_TO_NARROWEST * span.length:
            blocks[-1].append(span)
        else:
            blocks.append([span])
    return [Block(past, tuple(block)) for block in blocks]
