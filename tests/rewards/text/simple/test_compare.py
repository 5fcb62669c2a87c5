"""Tests for `rewards.text.simple.compare`."""

import pytest
from hypothesis import given
from math_verify import parse, verify

from rewards.text.simple.compare import compare
from tests.formulas import formulas, multiples_of_roots, numbers, sets, simple_sums

anything = formulas | numbers | sets | simple_sums | multiples_of_roots


@given(anything, anything)
def test_agrees_with_math_verify(told, true):
    """Whatever is compared without sympy, math-verify compares with the same result."""
    equal = compare(told, true)
    found, expected = (parse(text, parsing_timeout=None) for text in (told, true))
    if equal is not None:
        assert equal is verify(expected, found, timeout_seconds=None)


@pytest.mark.parametrize(
    ("told", "true", "equal"),
    [
        ("7", r"$\frac{14}{2}$", True),
        ("$x^2+9647$", "$x^2+2x+1$", False),
        (r"$\sqrt{991875}$", r"$575\sqrt{3}$", True),
        (r"$\{2,1\}$", r"\boxed{\{1,2\}}", True),
        (r"$\{2,1\}$", "$2$", False),
        (r"$\frac{3927564}{124290}$", r"$\frac{948}{30}$", True),
        ("$(x+1)^2$", "$x^2+2x+1$", None),
        ("0.0000005", r"\frac{1}{1000000}", None),
    ],
)
def test_worked_by_hand(told, true, equal):
    """Numbers, sets, roots, sums; None where it takes algebra or turns on a rounding."""
    assert compare(told, true) is equal
