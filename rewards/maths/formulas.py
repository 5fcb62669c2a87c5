"""Whether two expressions of sympy are equal, where that takes no simplifying.

math-verify compares numerically and then simplifies the difference: milliseconds, mostly to
confirm that it is not zero. Here are the cases in which that is known beforehand.
"""

import math
from fractions import Fraction
from typing import Any

from math_verify.grader import sympy_numeric_eq
from sympy import (
    Add,
    Expr,
    FiniteSet,
    Float,
    Mul,
    NumberSymbol,
    Pow,
    Rational,
    Symbol,
    expand,
)

# What `math_verify.verify` compares to unless told otherwise.
ROUNDED_DIGITS, PRECISION = 6, 15
# Rounded numbers below the one that are further apart than the other are different numbers.
LARGEST_ROUNDED, CERTAIN = 1e6, 1e-5
HIGHEST_POWER, MOST_PARTS, MOST_BITS = 8, 64, 256
# Coefficients with larger denominators may be nearer to one another than math-verify can see.
LARGEST_DENOMINATOR = 2**24
LETTER_VALUES = 7
# By so much may the sums of an expression, taken together, be smaller than their terms.
MOST_LOST = 1e3

Value = Fraction | float


class _TooHardError(Exception):
    """The value of an expression cannot be told at a glance."""


def settle(told: Any, true: Any) -> bool | None:
    """Return whether math-verify takes two expressions for equal, None where only it can tell.

    Whatever two expressions come to, if they differ where each letter is some number, they differ.

    >>> from sympy import sqrt, symbols
    >>> x = symbols("x")
    >>> settle(sqrt(12), 2 * sqrt(3)), settle(sqrt(12), sqrt(13)), settle((x + 1) ** 2, x**2 + 1)
    (True, False, False)
    """
    if isinstance(told, FiniteSet) or isinstance(true, FiniteSet):
        return _settle_sets(told, true)
    if all(isinstance(one, Expr) and not isinstance(one, Symbol) for one in (told, true)):
        return _settle_expressions(told, true)
    # A lone letter is compared by its name; relations, intervals and matrices are another matter.
    return None


def _settle_expressions(told: Any, true: Any) -> bool | None:
    try:
        difference = float(_Glance().at(true) - _Glance().at(told))
    except (_TooHardError, ArithmeticError):
        return None
    if abs(difference) > CERTAIN:
        return False
    if told.free_symbols or true.free_symbols:
        equal = expand(true - told) == 0
    else:
        equal = told == true or sympy_numeric_eq(true, told, ROUNDED_DIGITS, PRECISION)
    return True if equal else None


def _settle_sets(told: Any, true: Any) -> bool | None:
    told_elements, true_elements = (
        one.args if isinstance(one, FiniteSet) else (one,) for one in (told, true)
    )
    if all(isinstance(element, Rational) for element in (*told_elements, *true_elements)):
        return set(told_elements) == set(true_elements)
    return None


class _Glance:
    """The value of an expression where each letter is some number, if it has few simple parts."""

    def __init__(self) -> None:
        self._parts = 0
        self._lost = 1.0

    def at(self, part: Any) -> Value:
        """The value of a part: exact for as long as no root and no decimal comes in."""
        self._parts += 1
        if self._parts > MOST_PARTS:
            raise _TooHardError
        value = self._value(part)
        if not _is_handy(value):
            raise _TooHardError
        return value

    def _value(self, part: Any) -> Value:
        match part:
            case Rational():
                value: Value = Fraction(part.p, part.q)
            case Float() | NumberSymbol():
                value = float(part)
            case Symbol():
                value = Fraction(sum(map(ord, part.name)) % LETTER_VALUES + 2)
            case Add():
                value = self._sum([self.at(term) for term in part.args])
            case Mul():
                value = math.prod(map(self.at, part.args), start=Fraction(1))
            case Pow():
                value = _power(*map(self.at, part.args))
            case _:
                raise _TooHardError
        return value

    def _sum(self, terms: list[Value]) -> Value:
        total: Value = sum(terms, Fraction(0))
        if isinstance(total, float):
            largest = max(abs(float(term)) for term in terms)
            self._lost *= max(1.0, largest / abs(total))
            if self._lost > MOST_LOST:
                raise _TooHardError
        return total


def _is_handy(value: Value) -> bool:
    if isinstance(value, float):
        return abs(value) < LARGEST_ROUNDED
    return value.denominator <= LARGEST_DENOMINATOR and value.numerator.bit_length() < MOST_BITS


def _power(base: Value, exponent: Value) -> Value:
    if isinstance(exponent, float) or abs(exponent) > HIGHEST_POWER:
        raise _TooHardError
    if exponent.denominator == 1:
        power: Value = base ** int(exponent)
        return power
    if base <= 0:
        raise _TooHardError
    return math.pow(base, exponent)
