"""Tests for `rewards.text.formulas.search`."""

import pytest
from hypothesis import given
from math_verify import parse
from sympy import Basic, srepr

from rewards.text.formulas.search import read_formula
from tests.formulas import formulas


def as_math_verify_reads(text):
    """What `math_verify.parse` makes of a text: the expression, part by part, and the text."""
    found = parse(text, parsing_timeout=None)
    expressions = [srepr(one) for one in found if isinstance(one, Basic)]
    texts = [one for one in found if isinstance(one, str)]
    assert len(expressions) + len(texts) == len(found)
    return expressions, texts


def as_we_read(text):
    """The same of our own reading."""
    formula = read_formula(text)
    expressions = [] if formula.expression is None else [srepr(formula.expression)]
    return expressions, [] if formula.written is None else [formula.written]


@given(formulas)
def test_reads_what_math_verify_reads(text):
    """Whatever stands around a formula, the same expression is found, down to its last part."""
    assert as_we_read(text) == as_math_verify_reads(text)


@pytest.mark.parametrize(
    "text",
    [
        pytest.param("", id="nothing"),
        pytest.param("no number", id="words"),
        pytest.param("$x^2+5x+18$", id="only-the-thorough-mode-parses-it"),
        pytest.param(r"$\frac{1}{2}$, $\frac{1}{3}$ and $5$", id="several"),
        pytest.param(r"$\{1,2\}$ and $3$", id="a-set-and-one-more"),
        pytest.param(r"first $x$, then the final answer is $\sqrt{2}$. I hope", id="final"),
        pytest.param(r"\boxed{\frac{1}{2}} and \boxed{7}", id="boxes"),
        pytest.param("$a = b = 3$", id="chain"),
        pytest.param("$)($", id="no-formula"),
        pytest.param("12 345.5 %", id="percent"),
        pytest.param("3*(4+5)/2", id="calculation"),
        pytest.param("9" * 5000, id="too-many-digits"),
        pytest.param("$" + "(" * 60 + "$", id="too-deep"),
    ],
)
def test_reads_odd_texts_alike(text):
    """Texts that take a way of their own through the search."""
    assert as_we_read(text) == as_math_verify_reads(text)


def test_a_formula_lends_its_tokens_to_the_tree_of_its_shape():
    """Formulas of one shape, one after the other, are told apart by their numbers and letters."""
    texts = [rf"$\frac{{{n}}}{{{n + 1}}}\sqrt{{{letter}}}$" for n in (2, 30) for letter in "xy"]
    for text in texts * 2:
        read_formula.cache_clear()
        assert as_we_read(text) == as_math_verify_reads(text)
