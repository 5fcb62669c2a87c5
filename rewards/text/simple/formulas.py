"""What simple formulas come to, told from how they are written.

Formulas that differ where each letter stands for some number are different formulas, and most
wrong answers are wrong by more than a rounding: no algebra is needed to say so.
"""

import math
import re
from fractions import Fraction
from functools import lru_cache

from rewards.text.simple.numbers import ExactNumber, unwrap

TEXTS_KEPT, LONGEST = 8192, 64
NUMBER = r"(?:0|[1-9][0-9]{0,8})"
TERM = re.compile(
    rf"""
    (?P<sign>[+-]?)
    (?:
        \\[dt]?frac\{{ (?P<over>{NUMBER})? (?P<over_symbol>\\pi|\\sqrt\{{{NUMBER}\}})? \}}
        \{{ (?P<under>[1-9][0-9]{{0,8}}) \}}
    |
        (?P<number>{NUMBER} (?![0-9.]) )?
        (?:
            (?P<symbol> \\pi (?![A-Za-z]) | \\sqrt\{{{NUMBER}\}} )
        |
            (?:
                (?P<letter>[abnxyz]) (?![A-Za-z(])
            |
                \( (?P<inner>[abnxyz]) (?P<added>[+-]{NUMBER}) \)
            )
            (?: \^ (?: (?P<power>[2-6]) (?![0-9]) | \{{ (?P<braced>[2-6]) \}} ) )?
        )?
    )
    """,
    re.VERBOSE,
)
ROOT = re.compile(
    rf"(?P<sign>-?)(?:(?P<factor>{NUMBER})?\\sqrt\{{(?P<root>{NUMBER})\}}"
    rf"|\\[dt]?frac\{{(?P<over>{NUMBER})?\\sqrt\{{(?P<over_root>{NUMBER})\}}\}}"
    r"\{(?P<under>[1-9][0-9]{0,8})\})"
)
LETTERS = {"a": 11, "b": 13, "n": 17, "x": 19, "y": 23, "z": 29}
# Sums of roots below the one are exact to much less than the other, and no rounding reaches it.
LARGEST, CERTAIN = 1e6, 1e-5

Value = int | Fraction | float


def surely_differ(told: str, true: str) -> bool:
    r"""Tell whether two texts are simple formulas or numbers that math-verify tells apart.

    False says nothing. Simple is a sum of terms such as `7`, `3x^2`, `5\sqrt{3}`, `\frac{2\pi}{3}`
    and `2(x+1)^2` in the marks of LaTeX.

    >>> surely_differ("$x^2+1$", "$(x+1)^2$"), surely_differ("$2x^2$", "$x^2+x^2$")
    (True, False)
    """
    first, second = glance(told), glance(true)
    return first is not None and second is not None and abs(float(first - second)) > CERTAIN


def same_root(told: str, true: str) -> bool:
    r"""Tell whether two texts are one and the same multiple of a square root.

    False says nothing.

    >>> same_root(r"$\sqrt{12}$", r"$2\sqrt{3}$"), same_root("$2$", r"$\sqrt{4}$")
    (True, False)
    """
    first, second = _squared(told), _squared(true)
    return first is not None and first == second


@lru_cache(maxsize=TEXTS_KEPT)
def glance(text: str) -> Value | None:
    r"""Return what a simple formula or a number comes to, each letter being some number.

    >>> glance(r"$\frac{3}{4}$"), glance("$2x+1$"), glance("3/4 of it")
    (Fraction(3, 4), 39, None)
    """
    if len(text) > LONGEST:
        return None
    number = ExactNumber.read(text)
    if number is not None:
        return number.value
    inner = unwrap(text)
    # Without the marks only a number is looked for, and a letter alone is compared by its name.
    return None if inner is text or not inner or inner in LETTERS else _sum(inner)


def _squared(text: str) -> Fraction | None:
    # With the sign of what was squared.
    inner = unwrap(text)
    root = None if inner is text else ROOT.fullmatch(inner)
    if root is None:
        return None
    factor = Fraction(int(root["factor"] or root["over"] or 1), int(root["under"] or 1))
    square = factor**2 * int(root["root"] or root["over_root"])
    return -square if root["sign"] else square


def _sum(text: str) -> Value | None:
    total: Value = 0
    place = 0
    while place < len(text):
        term = TERM.match(text, place)
        value = None if term is None or (place and not term["sign"]) else _value(term)
        if term is None or value is None:
            return None
        total, place = total + value, term.end()
        if isinstance(total, float) and abs(total) >= LARGEST:
            return None
    return total


def _value(term: re.Match[str]) -> Value | None:
    parts = term.groupdict()
    sign = -1 if parts["sign"] == "-" else 1
    if parts["under"]:
        over = _product(parts["over"], parts["over_symbol"])
        return None if over is None else sign * over * Fraction(1, int(parts["under"]))
    if parts["letter"] or parts["inner"]:
        letter, added = parts["letter"] or parts["inner"], parts["added"] or "0"
        power = int(parts["power"] or parts["braced"] or 1)
        powered: int = (LETTERS[letter] + int(added)) ** power
        return sign * int(parts["number"] or 1) * powered
    product = _product(parts["number"], parts["symbol"])
    return None if product is None else sign * product


def _product(number: str | None, symbol: str | None) -> int | float | None:
    if symbol is None:
        return None if number is None else int(number)
    constant = math.pi if symbol == r"\pi" else math.sqrt(int(symbol[len(r"\sqrt{") : -1]))
    return int(number or 1) * constant
