"""Tests for `rewards.kinds.multiple_choice`."""

from pathlib import Path
from string import ascii_letters

import pytest
from hypothesis import given
from hypothesis import strategies as st
from mathruler.grader import grade_answer

from rewards.kinds.multiple_choice import (
    SEEN_THROUGH,
    TAKEN_AS_WRITTEN,
    compare_options,
    score_multiple_choice,
)
from rewards.specs import Spec

answers = st.builds(
    "{}{}{}".format,
    st.sampled_from(["", "(", "**", r"\text{", "Answer: ", "1/", " "]),
    st.sampled_from(["A", "b", "C", "12", "3.0", r"\frac12", "x^2", "a cat", "1,000"]),
    st.sampled_from(["", ")", "**", "}", ". the cat", " ", " meters"]),
)


@pytest.mark.parametrize(
    ("answer", "truth", "expected"),
    [
        pytest.param("(B)", "B", 1.0, id="brackets"),
        pytest.param("b", "B", 1.0, id="case"),
        pytest.param("B: the cat", "B", 0.0, id="explained"),
        pytest.param("**B**", "B", 0.0, id="bold"),
        pytest.param("C, A", "A, C", 0.0, id="order"),
    ],
)
def test_worked_by_hand(answer, truth, expected):
    """What the released grader takes for the same option."""
    assert score_multiple_choice(answer, truth, Spec()).value == expected


@given(answers, answers)
def test_agrees_with_mathruler(answer, truth):
    """The verdict is the grader's own."""
    expected = float(grade_answer(answer.strip(), truth.strip()))
    assert score_multiple_choice(answer, truth, Spec()).value == expected


letters = st.sampled_from(ascii_letters)
options = st.builds(str.format, st.sampled_from(SEEN_THROUGH), letters)
dressed = st.builds(str.format, st.sampled_from(SEEN_THROUGH + TAKEN_AS_WRITTEN), letters)
sentences = st.lists(
    st.sampled_from(
        [
            *(
                "A",
                "B.",
                "(c)",
                "the",
                "cat",
                "and",
                "or",
                "a",
                "inf",
                "nan",
                "Infinity",
                "1",
                "2.5",
            ),
            *(
                "-",
                "meters",
                "million",
                "sqrt",
                "no",
                "on",
                "road",
                "(",
                ")",
                ",",
                "?",
                "to: be",
                "e",
            ),
        ]
    ),
    max_size=5,
).map(" ".join)


@given(dressed | sentences | answers, options)
def test_the_shortcut_agrees_on_what_it_judges(answer, truth):
    """Letters, dressed ones and sentences are judged at once as they are at length."""
    quick = compare_options(answer, truth)
    assert quick is None or quick.value == float(grade_answer(answer.strip(), truth))


@pytest.mark.long
@pytest.mark.parametrize("form", SEEN_THROUGH + TAKEN_AS_WRITTEN)
@pytest.mark.parametrize("truth", ascii_letters)
def test_the_shortcut_agrees_on_every_pair_of_letters(form, truth):
    """All 52 x 52 pairs in every dress, without exception."""
    for letter in ascii_letters:
        answer = form.format(letter)
        assert compare_options(answer, truth).value == float(grade_answer(answer, truth))


@given(answers | st.text(max_size=20))
def test_the_shortcut_agrees_on_equal_texts(text):
    """Whatever a text is, it is the same option as itself."""
    assert compare_options(text, text).value == float(grade_answer(text.strip(), text.strip()))


@pytest.mark.parametrize(
    ("answer", "truth"),
    [("B or C", "B"), ("", "B"), ("B meters", "B"), ("the cat", "a cat"), ("x = cat", "B")],
)
def test_the_shortcut_leaves_the_rest_alone(answer, truth):
    """What takes more than a glance is left to the grader."""
    assert compare_options(answer, truth) is None


@pytest.mark.parametrize(
    "answer",
    [
        "__import__('os').system('touch pwned')",
        "e\u2179ec('pwned')",
        "e\u2179ec(f'{95:c}')",
        "[x for x in (1).__class__]",
        "S('1')",
    ],
)
def test_code_is_never_evaluated(answer, tmp_path, monkeypatch):
    """Neither by its name nor through letter-like numerals; the texts are compared as texts."""
    monkeypatch.chdir(tmp_path)
    assert score_multiple_choice(answer, "B", Spec()).value == 0.0
    assert score_multiple_choice(answer, answer, Spec()).value == 1.0
    assert not Path("pwned").exists()
