"""Tests for `rewards.backends.polar_transformers.packing`."""

from hypothesis import given
from hypothesis import strategies as st

from rewards.backends.polar_transformers.packing import NO_PAST, Passage, Span, pack

END = 9


@st.composite
def passages(draw):
    """Passages of few families, each ending in a token that stands nowhere else."""
    known = draw(st.lists(st.lists(st.integers(0, 2), min_size=1, max_size=4), max_size=3))
    judged = st.lists(st.integers(0, 1), max_size=5)
    made = [(start, draw(judged)) for start in known for _ in range(draw(st.integers(1, 4)))]
    unique = dict.fromkeys((*start, 7, *rest, END) for start, rest in made)
    return [Passage(tokens, tokens.index(7) + 1) for tokens in unique]


def seen_by(packed, end):
    """Tokens and positions that the token at `end` of the row attends to, by the blocks."""
    for block in packed.blocks:
        for span in block.spans:
            if span.start <= end < span.start + span.length:
                before = range(block.past.start, block.past.start + block.past.length)
                places = [*before, *range(span.start, end + 1)]
                return [(packed.tokens[i], packed.positions[i]) for i in places]
    raise AssertionError(f"no block holds {end}")


@given(passages(), st.booleans())
def test_every_passage_sees_exactly_itself(made, share):
    """From its last token each passage reads its own tokens at their own positions."""
    packed = pack(made, share=share)
    for passage, end in zip(made, packed.ends, strict=True):
        assert seen_by(packed, end) == [(t, i) for i, t in enumerate(passage.tokens)]


@given(passages(), st.booleans())
def test_every_token_of_the_row_is_in_one_block(made, share):
    """Nothing is computed that no block asks for, and nothing twice."""
    packed = pack(made, share=share)
    places = [
        i
        for block in packed.blocks
        for span in block.spans
        for i in range(span.start, span.start + span.length)
    ]
    assert sorted(places) == list(range(len(packed.tokens)))


@given(passages())
def test_padding_stays_below_a_half(made):
    """The spans of a block fill at least half of its width each."""
    for block in pack(made).blocks:
        widest = max(span.length for span in block.spans)
        assert block.spans[0].length == widest
        assert all(span.length * 2 >= widest for span in block.spans)


def test_a_family_stands_in_the_row_once():
    """Three rollouts of five tokens that share three cost 3 + 3 * 2 tokens."""
    family = [Passage((1, 2, 7, n, END), 3) for n in (3, 4, 5)]
    packed = pack(family)
    assert packed.tokens == (1, 2, 7, 3, END, 4, END, 5, END)
    assert packed.blocks[0].spans == (Span(0, 3),)
    assert packed.blocks[1].past == Span(0, 3)


def test_rollouts_that_begin_alike_share_that_too():
    """What is shared reaches into the answers, as far as all agree."""
    packed = pack([Passage((7, 1, 1, END), 1), Passage((7, 1, 2, END), 1)])
    assert packed.tokens == (7, 1, 1, END, 2, END)


def test_one_rollout_alone_shares_nothing():
    """A family of one is a plain causal span."""
    packed = pack([Passage((7, 1, END), 1)])
    assert [block.past for block in packed.blocks] == [NO_PAST]


def test_a_passage_given_twice_keeps_a_token_of_its_own():
    """Equal passages have their own last token each, which is where the score is read."""
    packed = pack([Passage((7, 1, END), 1)] * 2)
    assert packed.tokens == (7, 1, END, END)
    assert packed.ends == (2, 3)
