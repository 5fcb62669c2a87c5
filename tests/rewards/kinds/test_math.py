"""Tests for `rewards.kinds.math`, which runs in a killable process everywhere else."""

from itertools import product

import pytest
from hypothesis import given
from hypothesis import strategies as st
from math_verify import parse, verify

from rewards.kinds.math import _formulas, compare_simple, score_math
from rewards.specs import Spec
from tests.formulas import formulas, numbers

similar = st.builds(
    "{}{}{}".format,
    st.integers(-99, 99),
    st.sampled_from(["", "/3", r"\sqrt{2}", "x", "^2", r"\%", "^\\circ", ".50"]),
    st.sampled_from(["", "+1", " cm", "y"]),
).flatmap(lambda text: st.sampled_from([text, f"${text}$", rf"\boxed{{{text}}}"]))

SORTS = (
    *("2", "$x$", "$x=2$", r"$x=1$ or $x=2$", "$x<2$", r"$1 \le x < 2$", r"$x \in [1,2]$"),
    *(r"$\{1,2\}$", "$1, 2$", r"$\{x,1\}$", r"$\emptyset$", "$(1,2)$", r"$(1,2)\cup(3,4)$"),
    *(r"$\begin{pmatrix}1&2\\3&4\end{pmatrix}$", r"$\{\begin{pmatrix}1\\2\end{pmatrix}\}$"),
    *(r"$\infty$", "$2+3i$", r"$50\%$", r"$\text{yes}$", r"$\pm 2$"),
)


@pytest.mark.parametrize(
    ("answer", "truth", "expected"),
    [
        pytest.param(r"\frac{6}{4}", r"\frac{3}{2}", 1.0, id="unreduced"),
        pytest.param("$(x+1)^2$", "$x^2+2x+1$", 1.0, id="expanded"),
        pytest.param(r"$\{3,2,1\}$", r"$\{1,2,3\}$", 1.0, id="set"),
        pytest.param("43", "42", 0.0, id="another-number"),
        pytest.param("0.5", r"50\%", 0.0, id="percent"),
        pytest.param("1", "", 0.0, id="empty-truth"),
        pytest.param(r"\sqrt{" * 500, "42", 0.0, id="unclosed"),
        pytest.param("9" * 400, "42", 0.0, id="400-digits"),
    ],
)
def test_worked_by_hand(answer, truth, expected):
    """Equivalence of formulas, for cases one can check on paper."""
    assert score_math(answer, truth, Spec()).value == expected


@given(similar | formulas, similar | formulas)
def test_agrees_with_math_verify_on_a_main_thread(answer, truth):
    """Reading and comparing by shorter ways and leaving out the alarm change no verdict."""
    assert score_math(answer, truth, Spec()).value == float(verify(parse(truth), parse(answer)))


def test_things_of_all_sorts_are_compared_as_math_verify_does():
    """A matrix against a set, a statement against a number: each with each."""
    for answer, truth in product(SORTS, SORTS):
        expected = float(verify(parse(truth), parse(answer)))
        assert score_math(answer, truth, Spec()).value == expected, (answer, truth)
        quick = compare_simple(answer, truth)
        assert quick is None or quick.value == expected, (answer, truth)


def test_a_shortcut_that_breaks_changes_no_verdict(monkeypatch):
    """math-verify is asked instead."""

    def settle(told, true):
        raise TypeError(f"{told}, {true}")

    monkeypatch.setattr(_formulas(), "settle", settle)
    assert score_math("$x^2-1$", "$(x-1)(x+1)$", Spec()).value == 1.0
    assert score_math("$x^2-2$", "$(x-1)(x+1)$", Spec()).value == 0.0


@given(numbers, numbers)
def test_numbers_are_compared_at_once_as_they_are_at_length(answer, truth):
    """What is judged without sympy is judged as with it."""
    quick = compare_simple(answer, truth)
    assert quick is None or quick == score_math(answer, truth, Spec())
