"""Multiple choice: is it the same option?

Runs where it can be killed, and never lets sympy evaluate what could be code: `mathruler`
hands texts of at most two distinct letters to Python's own parser.
"""

import re
from functools import cache
from typing import Any

from rewards.score import Score
from rewards.specs import Spec

OPTION = re.compile(r"[A-Za-z]")
# Quotes build strings, `_` reaches attributes, letter-like numerals such as U+2174 turn into
# letters when Python reads a name: none of them belongs in an option or a formula.
CODE = re.compile(r"""['"_`@;:\[\]]|[\u2150-\u218b]|lambda""")


def score_multiple_choice(answer: str, truth: str, spec: Spec) -> Score:  # noqa: ARG001 - one shape
    """Score 1 when `mathruler.grade_answer` 0.1.0 takes both for the same, else 0.

    >>> score_multiple_choice("(B)", "B", Spec()).value
    1.0
    """
    grader = _mathruler()
    answer, truth = answer.strip(), truth.strip()
    if CODE.search(answer) or CODE.search(truth):
        return Score(float(_same_text(answer, truth)))
    return Score(float(grader.grade_answer(answer, truth)))


def compare_options(answer: str, truth: str) -> Score | None:
    """Judge two single letters, or two equal texts, at once; None when that takes more.

    Agrees with `score_multiple_choice` on everything it judges.

    >>> compare_options("b", "B").value, compare_options("B or C", "B")
    (1.0, None)
    """
    answer, truth = answer.strip(), truth.strip()
    if answer == truth:
        return Score(1.0)
    if OPTION.fullmatch(answer) and OPTION.fullmatch(truth):
        return Score(float(answer.lower() == truth.lower()))
    return None


def _same_text(answer: str, truth: str) -> bool:
    grader = _mathruler()
    if grader.normalize_answer(answer) == grader.normalize_answer(truth):
        return True
    return bool(grader._normalize(answer) == grader._normalize(truth))  # noqa: SLF001 - half of its verdict


@cache
def _mathruler() -> Any:
    from mathruler import grader

    return grader
