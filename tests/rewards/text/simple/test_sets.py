"""Tests for `rewards.text.simple.sets`."""

from fractions import Fraction

import pytest
from hypothesis import given
from math_verify import parse, verify

from rewards.text.simple.sets import read_set
from tests.formulas import numbers, sets


@given(sets | numbers, sets)
def test_agrees_with_math_verify(told, true):
    """Two sets that are read at once are equal where math-verify finds them so."""
    one, other = read_set(told), read_set(true)
    if one is not None and other is not None:
        found, expected = (parse(text, parsing_timeout=None) for text in (told, true))
        assert (one == other) is verify(expected, found, timeout_seconds=None)


@pytest.mark.parametrize(
    ("text", "elements"),
    [
        (r"$\{76,688\}$", {76, 688}),
        (r"\boxed{\{2, 1 ,2\}}", {1, 2}),
        (r"$$\{-1,\frac{1}{2},3/4\}$$", {-1, Fraction(1, 2), Fraction(3, 4)}),
        ("$12$", {12}),
    ],
)
def test_sets_by_hand(text, elements):
    """What stands twice counts once, and a comma is no mark of thousands."""
    assert read_set(text) == elements


@pytest.mark.parametrize(
    "text",
    [
        *(r"\{1,2\}", r"$\{\}$", r"$\{1,\}$", r"$\{x,1\}$", r"$\{0.5,1\}$", r"$\{1;2\}$"),
        *("$1,2$", r"$(1,2)$", r"$\{1,2$", r"$\{" + "1," * 60 + r"1\}$", "1.5", ""),
    ],
)
def test_everything_else_is_left_to_math_verify(text):
    """What is no set of integers and fractions, or not marked as LaTeX."""
    assert read_set(text) is None
