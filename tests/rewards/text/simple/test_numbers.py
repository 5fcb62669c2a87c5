"""Tests for `rewards.text.simple.numbers`."""

from fractions import Fraction

import pytest
from hypothesis import assume, given
from math_verify import parse, verify

from rewards.text.simple.numbers import ExactNumber
from tests.formulas import numbers


@given(numbers, numbers)
def test_agrees_with_math_verify(told, true):
    """Two numbers that are read at once compare as math-verify compares them."""
    a, b = ExactNumber.read(told), ExactNumber.read(true)
    assume(a is not None and b is not None)
    equal = a.equals(b)
    assume(equal is not None)
    found, expected = (parse(text, parsing_timeout=None) for text in (told, true))
    assert equal is verify(expected, found, timeout_seconds=None)


@pytest.mark.parametrize(
    ("text", "value", "is_decimal"),
    [
        ("-17", Fraction(-17), False),
        ("2.50", Fraction(5, 2), True),
        (r"$\dfrac{6}{4}$", Fraction(3, 2), False),
        (r"\boxed{12/7}", Fraction(12, 7), False),
        (r"$30^\circ$", Fraction(30), False),
        ("0.5", Fraction(1, 2), True),
        ("$0.5$", Fraction(1, 2), False),
    ],
)
def test_numbers_that_are_certain(text, value, is_decimal):
    """Integers, decimals and fractions, bare and marked as LaTeX."""
    assert ExactNumber.read(text) == ExactNumber(value, is_decimal=is_decimal)


@pytest.mark.parametrize(
    "text",
    [
        *("", "x", "007", "1e5", "1,000", "2.5 m", r"\dfrac{1}{2}", "1/0", "-1/2", "1.1234567"),
        *("$$", "٣", " 7", "7\n", "1234567890", r"1.5^\circ", "$7", r"\boxed{7"),
    ],
)
def test_everything_else_is_left_to_math_verify(text):
    """What it reads otherwise than one might think, or rounds, is not read here."""
    assert ExactNumber.read(text) is None


@pytest.mark.parametrize(
    ("told", "true", "equal"),
    [
        ("0.333333", "1/3", True),
        ("0.33333", "1/3", False),
        ("2.000000", "2", True),
        ("2.000001", "2", False),
        ("0.666667", "2/3", True),
        ("0.015626", "1/64", False),
        ("0.005208", "1/192", True),
    ],
)
def test_a_decimal_is_compared_to_six_places(told, true, equal):
    """A fraction is what it rounds to; a whole number is not rounded."""
    told, true = map(ExactNumber.read, (told, true))
    assert told.equals(true) is equal


def test_on_the_verge_of_rounding_nothing_is_said():
    """Half of the sixth place could go either way."""
    half = ExactNumber(Fraction(3, 2_000_000))
    assert ExactNumber.read("0.000001").equals(half) is None
