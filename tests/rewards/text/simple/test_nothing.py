"""Tests for `rewards.text.simple.nothing`."""

import pytest
from hypothesis import given
from hypothesis import strategies as st
from math_verify import parse

from rewards.text.simple.nothing import shows_nothing
from tests.formulas import formulas, marks

BEFORE = ("", " ", "=", "x", "(", "{", "**", "\u20ac", "-", "\n", "answer", ".", ",", "\u0663")
before_numbers = st.lists(st.sampled_from(BEFORE), max_size=3).map("".join)
after = st.sampled_from(["7", ".5", "-3", "(-3", "1,000", "5%", "2+3"])


@given(formulas | st.builds("{}{}".format, before_numbers, after) | marks)
def test_math_verify_finds_nothing_either(text):
    """Where nothing shows, math-verify comes back with empty hands."""
    if shows_nothing(text):
        assert parse(text, parsing_timeout=None) == []


@pytest.mark.parametrize("text", ["", "x^2+9647", "none of these", "a_3", r"\sqrt{4}"])
def test_nothing_to_be_found(text):
    """Letters alone, and digits that follow something else than space or `=`."""
    assert shows_nothing(text)


@pytest.mark.parametrize(
    "text",
    [
        *("7", "x = 7", "x=-7", "(7)", "**7", "\u20ac7", "= .5", "-(-7)", "it is 7", "\u0663"),
        *("$x$", r"\(x\)", "[x]", r"\frac12", r"\boxed{x}", "x" * 1001),
    ],
)
def test_something_might_be_found(text):
    """A number where one is looked for, a mark of LaTeX, or more text than a glance takes in."""
    assert not shows_nothing(text)
