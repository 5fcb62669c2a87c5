"""Texts in which math-verify is certain to find no formula at all."""

import re

LONGEST = 1000
# Formulas of LaTeX begin with one of these; what is plain begins as below, after space or `=`.
LATEX_MARKS = ("$", "\\(", "[", "\\frac", "\\boxed")
PLAIN_START = re.compile(r"(?:^|[\s=])(?:\*\*)?[^\w\s]?-?\(?-?\.?\d")


def shows_nothing(text: str) -> bool:
    """Tell whether a text has neither the marks of LaTeX nor a number where one is looked for.

    False says nothing.

    >>> shows_nothing("x^2+1"), shows_nothing("x = 5"), shows_nothing("$x$")
    (True, False, False)
    """
    return (
        len(text) <= LONGEST
        and not any(mark in text for mark in LATEX_MARKS)
        and PLAIN_START.search(text) is None
    )
