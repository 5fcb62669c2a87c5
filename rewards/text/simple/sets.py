"""Sets of numbers that math-verify is certain to read as what they say."""

from fractions import Fraction

from rewards.text.simple.numbers import ExactNumber, unwrap

LONGEST = 100
OPENING, CLOSING = "\\{", "\\}"


def read_set(text: str) -> frozenset[Fraction] | None:
    r"""Read a set of integers and fractions in the marks of LaTeX; a lone number is a set of one.

    >>> sorted(read_set(r"$\{3, \frac{1}{2}\}$")), read_set(r"$\{x\}$")
    ([Fraction(1, 2), Fraction(3, 1)], None)
    """
    if len(text) > LONGEST:
        return None
    inner = unwrap(text)
    if inner is text or not (inner.startswith(OPENING) and inner.endswith(CLOSING)):
        return _of([ExactNumber.read(text)])
    elements = inner[len(OPENING) : -len(CLOSING)].split(",")
    return _of([ExactNumber.read(element.strip(" ")) for element in elements])


def _of(numbers: list[ExactNumber | None]) -> frozenset[Fraction] | None:
    values = [number.value for number in numbers if number is not None and not number.is_decimal]
    return frozenset(values) if len(values) == len(numbers) else None
