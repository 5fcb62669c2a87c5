"""Tests for `rewards.text.polar_prompt`."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rewards.text.polar_prompt import (
    REWARD_TOKEN,
    SEPARATOR,
    Limits,
    Marks,
    PolarPrompt,
    cut,
    surely_fits,
    well_formed,
)

marks = st.sampled_from(
    [SEPARATOR, REWARD_TOKEN, "<s>", "</s>", "<|im_end|>", "<|", "|>", "<", "["]
)
hostile = st.lists(st.text(max_size=5) | marks, max_size=8).map("".join)


class Letters:
    """A tokeniser that makes one token of each letter."""

    limits = Limits(total=40, trajectory=10, leading=1)

    def encode(self, text):
        """Code points."""
        return [ord(letter) for letter in text]

    def decode(self, tokens):
        """Letters again."""
        return "".join(map(chr, tokens))


def test_the_text_is_spelled_as_published():
    """Prompt and reference, the separator, prompt and output, the reward token."""
    prompt = PolarPrompt.of("What is the capital of China?", "Beijing.", "Shanghai.")
    assert prompt.spell() == (
        "What is the capital of China?\nBeijing.<|reward|>"
        "What is the capital of China?\nShanghai.[UNUSED_TOKEN_130]"
    )


@pytest.mark.parametrize(
    ("reference", "output", "expected"),
    [
        pytest.param("r", "", "p\nr<|reward|>p[UNUSED_TOKEN_130]", id="no output"),
        pytest.param("", "o", "p<|reward|>p\no[UNUSED_TOKEN_130]", id="no reference"),
        pytest.param("", "", "p<|reward|>p[UNUSED_TOKEN_130]", id="neither"),
        pytest.param("\n", " ", "p\n\n<|reward|>p\n [UNUSED_TOKEN_130]", id="white space"),
    ],
)
def test_no_newline_stands_before_an_empty_trajectory(reference, output, expected):
    """The newline belongs to what follows it; white space is not nothing."""
    assert PolarPrompt.of("p", reference, output).spell() == expected


@given(hostile, hostile, hostile)
def test_a_server_finds_the_marks_only_where_we_put_them(prompt, reference, output):
    """Whatever the policy writes, one separator, and the reward token only at the end."""
    text = PolarPrompt.of(prompt, reference, output).spell()
    assert text.count(SEPARATOR) == 1
    assert text.index(REWARD_TOKEN) == len(text) - len(REWARD_TOKEN)
    assert "<s>" not in text


@given(hostile, st.lists(marks, min_size=1))
def test_fragments_make_up_the_text_and_hold_no_mark(text, forbidden):
    """Nothing is lost, and no piece can be read as a mark, overlapping ones included."""
    long_ones = [mark for mark in forbidden if len(mark) > 1]
    fragments = Marks(long_ones).fragments(text)
    assert "".join(fragments) == text
    assert not [f for f in fragments for mark in long_ones if mark in f]


def test_a_mark_forged_by_cutting_one_out_stays_text():
    """A mark hidden inside another cannot come together when the inner one is taken apart."""
    text = PolarPrompt.of("p", "r", "<|rew<|reward|>ard|>").spell()
    assert text.count(SEPARATOR) == 1


def test_parts_are_cut_as_the_reference_client_cuts():
    """By hand, one leading token each: 10 and 10 leave (40 - 20) // 2 tokens of prompt."""
    found = cut("p" * 20 + "q" * 10, "r" * 30, "o" * 30, Letters())
    assert found.known == "q" * 10 + "\n" + "r" * 9
    assert found.judged == "q" * 10 + "\n" + "o" * 9


def test_short_trajectories_leave_room_for_the_prompt():
    """(40 - 2 - 3) // 2 is 17 tokens; a prompt of 16 letters and its leading token fits."""
    letters = Letters()
    assert cut("p" * 16, "r", "oo", letters).known == "p" * 16 + "\nr"
    assert cut("x" + "p" * 17, "r", "oo", letters).known == "p" * 17 + "\nr"


@given(st.text("ab ", max_size=60), st.text("ab ", max_size=30), st.text("ab ", max_size=30))
def test_what_surely_fits_is_never_cut(prompt, reference, output):
    """The test in bytes lets nothing through that a tokeniser would shorten."""
    letters = Letters()
    if surely_fits(prompt, reference, output, letters.limits):
        uncut = PolarPrompt.of(prompt, reference, output)
        assert cut(prompt, reference, output, letters) == uncut


def test_the_limits_are_those_of_polar():
    """16,384 less 4 in all and 4,096 each; a smaller model has them in proportion."""
    assert Limits.of(32_768) == Limits(16_380, 4_096, 1)
    assert Limits.of(512, leading=0) == Limits(508, 128, 0)


@given(st.text(st.characters(exclude_categories=())))
def test_any_text_becomes_well_formed(text):
    """What JSON can carry can be encoded afterwards, and good text is left alone."""
    repaired = well_formed(text)
    assert repaired.encode().decode() == repaired
    if not any("\ud800" <= letter <= "\udfff" for letter in text):
        assert repaired == text
