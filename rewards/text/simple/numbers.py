"""Numbers that math-verify is certain to read as what they say."""

import re
from dataclasses import dataclass
from fractions import Fraction
from typing import Self

WRAPPINGS = (("$$", "$$"), ("$\\boxed{", "}$"), ("\\boxed{", "}"), ("$", "$"))
# Up to nine digits and six decimals: nothing is rounded away, and no double is short of digits.
INTEGER = re.compile(r"(-?(?:0|[1-9][0-9]{0,8}))(?:\^\\circ|\^\{\\circ\})?")
DECIMAL = re.compile(r"-?(?:0|[1-9][0-9]{0,8})\.[0-9]{1,6}")
BARE_FRACTION = re.compile(r"\\frac\{([0-9]{1,9})\}\{([1-9][0-9]{0,8})\}")
FRACTION = re.compile(r"\\[dt]?frac\{([0-9]{1,9})\}\{([1-9][0-9]{0,8})\}")
RATIO = re.compile(r"([0-9]{1,9})/([1-9][0-9]{0,8})")
# In the marks of LaTeX, math-verify takes this one decimal for a fraction.
HALF = "0.5"
ROUNDING = Fraction(1, 2_000_000)


@dataclass(frozen=True, slots=True)
class ExactNumber:
    """A number, and whether it was written with decimals, which math-verify compares rounded."""

    value: Fraction
    is_decimal: bool = False

    @classmethod
    def read(cls, text: str) -> Self | None:
        r"""Read an integer, a decimal or a fraction, bare or in the marks of LaTeX.

        >>> ExactNumber.read(r"\boxed{2.50}"), ExactNumber.read("2.5 m")
        (ExactNumber(value=Fraction(5, 2), is_decimal=True), None)
        """
        inner = unwrap(text)
        is_bare = inner is text
        if (integer := INTEGER.fullmatch(inner)) is not None:
            return cls(Fraction(int(integer[1])))
        if DECIMAL.fullmatch(inner) is not None:
            return cls(Fraction(inner), is_decimal=is_bare or inner != HALF)
        if (fraction := (BARE_FRACTION if is_bare else FRACTION).fullmatch(inner)) is not None:
            return cls(Fraction(int(fraction[1]), int(fraction[2])))
        if (ratio := RATIO.fullmatch(inner)) is not None:
            return cls(Fraction(int(ratio[1]), int(ratio[2])))
        return None

    def equals(self, other: Self) -> bool | None:
        """Tell whether math-verify takes the two for equal; None on the verge of rounding.

        It rounds both to six decimals where one is a decimal, unless the other is whole.
        """
        distance = abs(self.value - other.value)
        is_whole = self.value.denominator == 1 or other.value.denominator == 1
        if distance == 0 or is_whole or self.is_decimal == other.is_decimal:
            return distance == 0
        return None if distance == ROUNDING else distance < ROUNDING


def unwrap(text: str) -> str:
    r"""Return what stands in the marks of LaTeX, or the text itself, the same object.

    >>> unwrap(r"$\boxed{7}$"), unwrap("7 m")
    ('7', '7 m')
    """
    for opening, closing in WRAPPINGS:
        if text.startswith(opening) and text.endswith(closing):
            return text[len(opening) : len(text) - len(closing)]
    return text
