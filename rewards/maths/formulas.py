"""Whether two expressions of sympy are equal, where that takes no simplifying.

math-verify compares numerically and then simplifies the difference: milliseconds, mostly to
confirm that it is not zero. Here are the cases in which that is known beforehand.
"""

from itertools import islice
from typing import Any

from math_verify.grader import sympy_numeric_eq
from sympy import (
    Add,
    Expr,
    FiniteSet,
    Float,
    Integer,
    Mul,
    NumberSymbol,
    Pow,
    Rational,
    Symbol,
    expand,
    preorder_traversal,
)

# What `math_verify.verify` compares to unless told otherwise.
ROUNDED_DIGITS, PRECISION = 6, 15
# Numbers below the one that are further apart than the other differ, whatever was rounded.
LARGEST, CERTAIN = 1e6, 1e-5
HIGHEST_POWER, MOST_PARTS = 8, 64


def settle(told: Any, true: Any) -> bool | None:
    """Return whether math-verify takes two expressions for equal, None where only it can tell.

    >>> from sympy import sqrt, symbols
    >>> x = symbols("x")
    >>> settle(sqrt(12), 2 * sqrt(3)), settle(sqrt(12), sqrt(13)), settle((x + 1) ** 2, x**2 + 1)
    (True, False, False)
    """
    if isinstance(told, Rational) and isinstance(true, Rational):
        return bool(told == true)
    if isinstance(told, FiniteSet) and isinstance(true, FiniteSet):
        elements = (*told.args, *true.args)
        rational = all(isinstance(element, Rational) for element in elements)
        return set(told.args) == set(true.args) if rational else None
    try:
        return _settle_expressions(told, true)
    except (ArithmeticError, TypeError, ValueError):
        # A division by zero that nobody has carried out yet: math-verify has its own ways.
        return None


def _settle_expressions(told: Any, true: Any) -> bool | None:
    if _is_number(told) and _is_number(true):
        return _settle_numbers(told, true)
    if _is_polynomial(told) and _is_polynomial(true):
        return bool(expand(true - told) == 0)
    return None


def _settle_numbers(told: Any, true: Any) -> bool | None:
    a, b = told.evalf(PRECISION), true.evalf(PRECISION)
    bounded = all(isinstance(value, Float) and abs(value) < LARGEST for value in (a, b))
    if bounded and abs(a - b) > CERTAIN:
        return False
    return True if sympy_numeric_eq(true, told, ROUNDED_DIGITS, PRECISION) else None


def _is_number(expression: Any) -> bool:
    kinds = (Rational, Float, NumberSymbol, Add, Mul, Pow)
    return all(isinstance(part, kinds) and _is_tame(part) for part in _parts(expression))


def _is_polynomial(expression: Any) -> bool:
    # math-verify compares a lone symbol by its name.
    if isinstance(expression, Symbol):
        return False
    kinds = (Rational, Symbol, Add, Mul, Pow)
    return all(
        isinstance(part, kinds) and _is_tame(part) and _is_whole(part)
        for part in _parts(expression)
    )


def _parts(expression: Any) -> list[Any]:
    """The expression and all that it is made of; of one too large to look at, nothing known."""
    if not isinstance(expression, Expr):
        return [None]
    parts = list(islice(preorder_traversal(expression), MOST_PARTS))
    return parts if len(parts) < MOST_PARTS else [None]


def _is_tame(part: Any) -> bool:
    if not isinstance(part, Pow):
        return True
    if part.base == 0:
        return False
    return isinstance(part.exp, Rational) and abs(part.exp) <= HIGHEST_POWER


def _is_whole(part: Any) -> bool:
    if not isinstance(part, Pow):
        return True
    return isinstance(part.exp, Integer) and (part.exp >= 0 or isinstance(part.base, Rational))
