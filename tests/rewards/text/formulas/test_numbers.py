"""Tests for `rewards.text.formulas.numbers`."""

import pytest
from hypothesis import given
from hypothesis import strategies as st
from sympy import Number, SympifyError, srepr

from rewards.text.formulas.numbers import read_number

numerals = st.from_regex(r"\A-?[0-9]{0,20}(\.[0-9]{0,20})?\Z") | st.text(
    "0123456789.-+e٣²", max_size=6
)


def attempt(read, text):
    """What a reader makes of a text, to the last digit, or None where it raises."""
    try:
        return srepr(read(text))
    except (SympifyError, ValueError, TypeError, AttributeError):
        return None


@given(numerals)
def test_reads_what_sympy_reads(text):
    """The quicker way leads to the same number, with as many digits of precision."""
    assert attempt(read_number, text) == attempt(Number, text)


@pytest.mark.parametrize("text", ["7", "-7", "0.25", "123456789.123456789123456789", "1e5", "nan"])
def test_numbers_by_example(text):
    """Short ones, long ones, and those that take the longer way."""
    assert attempt(read_number, text) == attempt(Number, text)
