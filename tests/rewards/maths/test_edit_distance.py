"""Tests for `rewards.maths.edit_distance`."""

import jiwer
import pytest
from hypothesis import given

from rewards.maths.edit_distance import word_error_rate
from tests.strategies import words


@pytest.mark.parametrize(
    ("read", "true", "expected"),
    [
        pytest.param("World Hello", "Hello World", 1.0, id="swapped"),
        pytest.param("the quick brown fox", "the quick / brown fox", 0.2, id="one-missing"),
        pytest.param("a a a", "a", 2.0, id="past-one"),
        pytest.param("", "a b", 1.0, id="nothing-read"),
    ],
)
def test_worked_by_hand(read, true, expected):
    """Edits per true word, for cases one can count."""
    assert word_error_rate(read.split(), true.split()) == pytest.approx(expected)


@given(words, words.filter(bool))
def test_agrees_with_jiwer(read, true):
    """Jiwer computes the same rate."""
    assert word_error_rate(read, true) == pytest.approx(jiwer.wer(" ".join(true), " ".join(read)))


@given(words, words)
def test_agrees_with_the_textbook_table(read, true):
    """Wagner and Fischer's table has the same number in its last cell."""
    row = list(range(len(read) + 1))
    for i, true_word in enumerate(true, 1):
        row, above = [i], row
        for j, word in enumerate(read, 1):
            row.append(
                above[j - 1] if word == true_word else 1 + min(above[j], row[-1], above[j - 1])
            )
    assert word_error_rate(read, true) == row[-1] / max(1, len(true))
