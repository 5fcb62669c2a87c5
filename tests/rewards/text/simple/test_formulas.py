"""Tests for `rewards.text.simple.formulas`."""

from fractions import Fraction

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st
from math_verify import verify

from rewards.text.formulas.search import read_formula
from rewards.text.simple.formulas import LETTERS, glance, same_root, surely_differ
from tests.formulas import multiples_of_roots, numbers, simple_sums, sums, wrapped


@given(simple_sums | sums | numbers)
def test_a_formula_comes_to_what_sympy_makes_of_it(text):
    """The value told from the writing is the value of the expression that math-verify reads."""
    value = glance(text)
    assume(value is not None)
    expression = read_formula(text).expression
    letters = {letter: LETTERS[letter.name] for letter in expression.free_symbols}
    assert float(expression.subs(letters)) == pytest.approx(float(value), rel=1e-9, abs=1e-9)


@given(simple_sums, simple_sums | numbers)
def test_what_surely_differs_is_different_to_math_verify(told, true):
    """Whatever is told apart at a glance, math-verify tells apart at length."""
    assume(surely_differ(told, true))
    found, expected = read_formula(told).expression, read_formula(true).expression
    assert verify(expected, found, timeout_seconds=None) is False


@given(wrapped | sums, simple_sums | sums)
def test_what_differs_in_any_marks_is_different_to_math_verify(told, true):
    """The same of whatever policies write."""
    if surely_differ(told, true):
        found, expected = read_formula(told).expression, read_formula(true).expression
        assert verify(expected, found, timeout_seconds=None) is False


@given(st.lists(simple_sums | sums, min_size=2, max_size=3))
def test_a_formula_never_differs_from_itself(texts):
    """In whatever marks, a formula does not differ from the same formula."""
    for text in texts:
        assert not surely_differ(text, f"${text.strip('$')}$")


@given(multiples_of_roots, multiples_of_roots | sums)
def test_the_same_root_is_the_same_to_math_verify(told, true):
    """However the factor is written, before the root, within it or over a line."""
    if same_root(told, true):
        found, expected = read_formula(told).expression, read_formula(true).expression
        assert verify(expected, found, timeout_seconds=None) is True


@pytest.mark.parametrize(
    ("told", "true", "same"),
    [
        (r"$\sqrt{991875}$", r"$575\sqrt{3}$", True),
        (r"$\frac{\sqrt{8}}{4}$", r"\boxed{\dfrac{2\sqrt{2}}{4}}", True),
        (r"$-\sqrt{12}$", r"$2\sqrt{3}$", False),
        (r"$0\sqrt{3}$", r"$\sqrt{0}$", True),
        (r"\sqrt{12}", r"2\sqrt{3}", False),
        (r"$\sqrt{4}$", "$2$", False),
    ],
)
def test_roots_by_hand(told, true, same):
    """A sign counts; without the marks of LaTeX, or without a root, nothing is said."""
    assert same_root(told, true) is same


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("$-x^2+1$", -360),
        ("$2(x-9)^{2}$", 200),
        (r"$\frac{3}{4}+1$", Fraction(7, 4)),
        (r"\boxed{2\sqrt{9}}", 6.0),
        ("12/8", Fraction(3, 2)),
        ("1.5", Fraction(3, 2)),
    ],
)
def test_values_by_hand(text, value):
    """Each letter has its number: x has 19."""
    assert glance(text) == value


@pytest.mark.parametrize(
    "text",
    [
        pytest.param("$x$", id="a-letter-is-compared-by-its-name"),
        pytest.param("x+1", id="without-marks-only-numbers-are-looked-for"),
        pytest.param(r"$3\frac{1}{2}$", id="a-mixed-number-or-a-product"),
        pytest.param(r"$\{1,2\}$", id="a-set"),
        pytest.param("$x=1$", id="an-equation"),
        pytest.param("$1,000$", id="a-number-or-two"),
        pytest.param("$xy$", id="a-product-or-a-name"),
        pytest.param("$x(x+1)$", id="a-product-or-a-function"),
        pytest.param("$e+i$", id="constants"),
        pytest.param("$x^23$", id="a-power-and-a-factor"),
        pytest.param("$x^99$", id="a-high-power"),
        pytest.param("$1234567890x$", id="ten-digits"),
        pytest.param(r"$\frac{1}{0}$", id="a-division-by-zero"),
        pytest.param(r"$999999\sqrt{999999}+x$", id="too-large-to-be-exact"),
        pytest.param("$" + "1+" * 40 + "1$", id="long"),
        pytest.param("$$", id="nothing"),
        pytest.param("", id="empty"),
        pytest.param("$+$", id="a-sign"),
    ],
)
def test_what_is_not_simple_is_left_alone(text):
    """What could be read in two ways, or needs more than a glance."""
    assert glance(text) is None
