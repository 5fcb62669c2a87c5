"""Numerals as sympy reads them."""

import re
from typing import Any

from sympy import Float, Integer, Number

INTEGER = re.compile(r"-?(0|[1-9][0-9]*)")
DECIMAL = re.compile(r"(0|[1-9][0-9]*)?\.[0-9]+")


def read_number(text: str) -> Any:
    """Return `sympy.Number(text)`; raises where that does.

    It evaluates `text` as Python with all of sympy at hand, a quarter of a millisecond for `7`.

    >>> read_number("-7"), read_number("2.50")
    (-7, 2.50000000000000)
    """
    if INTEGER.fullmatch(text):
        return Integer(text)
    if DECIMAL.fullmatch(text):
        return Float(text)
    return Number(text)
