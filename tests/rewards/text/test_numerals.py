"""Tests for `rewards.text.numerals`."""

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rewards.errors import BadTruth
from rewards.text.numerals import are_usable, is_usable, read_number, read_true_number


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("1,234.50", 1234.5),
        (" 3 ", 3.0),
        ("1e6", 1e6),
        ("1_000", 1000.0),
        ("٣", 3.0),
        ("-0.0", 0.0),
        ("9" * 5000, math.inf),
        ("3 m", None),
        ("\u22127", None),
        ("", None),
    ],
)
def test_a_number_is_what_python_takes_for_one(text, expected):
    """Commas are dropped; everything else is `float`'s decision."""
    assert read_number(text) == expected


@pytest.mark.parametrize("text", ["", "abc", "nan", "inf", "1e999", "-Infinity", "1e200"])
def test_a_truth_must_be_a_finite_number(text):
    """A truth that no answer can be compared with is the dataset's fault."""
    with pytest.raises(BadTruth, match="expected a finite number as ground truth"):
        read_true_number(text)


@pytest.mark.parametrize("value", [math.nan, math.inf, -math.inf, 1e151, -1e151])
def test_what_overflows_is_not_usable(value):
    """Neither infinities nor numbers whose squares would be."""
    assert not is_usable(value)


@given(st.lists(st.floats() | st.sampled_from([1e150, -1e150, 1.1e150, math.nan]), max_size=5))
def test_many_are_usable_when_each_one_is(values):
    """One look at all of them says what a look at each would."""
    assert are_usable(values) is all(map(is_usable, values))
