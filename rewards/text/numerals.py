"""Numbers written as text."""

import math
from collections.abc import Iterable

from rewards.errors import BadTruth

LARGEST = 1e150


def read_number(text: str) -> float | None:
    """Return what Python's `float` makes of `text` without its commas, or None.

    `nan`, `inf` and `1e999` are numbers here: the caller decides what they are worth.

    >>> read_number(" 1,234.50 "), read_number("3 m"), read_number("1e999")
    (1234.5, None, inf)
    """
    try:
        return float(text.replace(",", ""))
    except ValueError:
        return None


def is_usable(value: float) -> bool:
    """Tell whether `value` is finite and small enough that its square is, too.

    >>> is_usable(-3.5), is_usable(float("nan")), is_usable(1e200)
    (True, False, False)
    """
    return -LARGEST <= value <= LARGEST


def are_usable(values: Iterable[float]) -> bool:
    """Tell whether every one of `values` is usable.

    >>> are_usable([1.0, -3.5]), are_usable([1.0, float("nan")]), are_usable([])
    (True, False, True)
    """
    numbers = tuple(values)
    # None is larger than the length of the vector they make: one call settles all but the absurd.
    return math.hypot(*numbers) <= LARGEST or all(map(is_usable, numbers))


def read_true_number(text: str) -> float:
    """Read the number of a ground truth; raise `BadTruth` when it is none or not finite.

    >>> read_true_number("1,234.5")
    1234.5
    """
    number = read_number(text)
    if number is None or not is_usable(number):
        raise BadTruth(f"expected a finite number as ground truth, got {text[:80]!r}")
    return number
