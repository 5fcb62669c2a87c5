"""Tests for `rewards.maths.formulas`."""

import pytest
from hypothesis import assume, given
from math_verify import parse, verify
from sympy import Add, FiniteSet, Float, Integer, Pow, Rational, Symbol, pi, sqrt, symbols, zoo

from rewards.maths.formulas import settle
from tests.formulas import expressions

x, y = symbols("x y", real=True)


@given(expressions, expressions)
def test_agrees_with_math_verify(told, true):
    """What is settled at once is what math-verify finds at length."""
    found = [one for text in (told, true) for one in parse(f"${text}$", parsing_timeout=None)[:1]]
    assume(len(found) == 2 and not any(isinstance(one, str) for one in found))
    settled = settle(*found)
    assert settled in {None, verify(found[1], found[0], timeout_seconds=None)}


@pytest.mark.parametrize(
    ("told", "true", "expected"),
    [
        pytest.param(Rational(6, 4), Rational(3, 2), True, id="fractions"),
        pytest.param(sqrt(12), 2 * sqrt(3), True, id="roots"),
        pytest.param(sqrt(12), 3 * sqrt(2), False, id="other-roots"),
        pytest.param(Float("0.333333"), Rational(1, 3), True, id="rounded"),
        pytest.param(Float("1.0471976"), pi / 3, True, id="pi"),
        pytest.param((x + 1) ** 2, x**2 + 2 * x + 1, True, id="polynomials"),
        pytest.param((x + y) ** 2, x**2 + y**2, False, id="other-polynomials"),
        pytest.param(FiniteSet(1, 2), FiniteSet(2, 1), True, id="sets"),
        pytest.param(FiniteSet(1, 2), FiniteSet(1, 3), False, id="other-sets"),
        pytest.param(x, x, None, id="a-letter-is-compared-by-name"),
        pytest.param(zoo, Integer(1), None, id="no-number"),
        pytest.param(Pow(0, -1, evaluate=False), Integer(1), None, id="divided-by-zero"),
        pytest.param(Pow(-8, Rational(1, 3)), Integer(1), None, id="complex"),
        pytest.param(Integer(10) ** 90, Integer(1), None, id="too-long"),
        pytest.param(sqrt(2) * 10**7, Integer(1), None, id="too-large-to-round"),
        pytest.param(2 ** sqrt(2), Integer(1), None, id="an-odd-power"),
        pytest.param(1 / x + 1, (x + 1) / x, True, id="quotients"),
        pytest.param(FiniteSet(x), FiniteSet(1), None, id="a-set-of-unknowns"),
        pytest.param(sqrt(2), sqrt(2) + Float("1e-7"), None, id="on-the-verge"),
        pytest.param(Pow(2, 99, evaluate=False), Integer(1), None, id="too-high-a-power"),
        pytest.param(sum(symbols("x:70")), Integer(1), None, id="too-many-parts"),
        pytest.param(x, "x", None, id="text"),
        pytest.param(Integer(1), Pow(0, -1, evaluate=False), None, id="a-division-by-zero"),
        pytest.param(
            Integer(1), Pow(Add(1, -1, evaluate=False), -1, evaluate=False), None, id="a-hidden-one"
        ),
    ],
)
def test_worked_by_hand(told, true, expected):
    """What is easy is settled, and what is not is left to those who can."""
    assert settle(told, true) is expected


def test_letters_of_other_worlds_differ():
    """A real x and a complex one are not taken for the same, nor by math-verify."""
    other = Symbol("x")
    assert settle(x + 1, other + 1) is None
    assert verify(other + 1, x + 1, timeout_seconds=None) is False
