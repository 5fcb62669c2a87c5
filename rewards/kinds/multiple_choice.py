"""Multiple choice: is it the same option?

Runs where it can be killed, and never lets sympy evaluate what could be code: `mathruler`
hands texts of at most two distinct letters to Python's own parser.
"""

import re
from functools import cache
from string import ascii_letters, ascii_lowercase
from typing import Any

from rewards.score import Score
from rewards.specs import Spec

# What policies put around a letter: the first the grader sees through, the others it does not.
SEEN_THROUGH = ("{}", "({})", "${}$", r"\text{{{}}}", r"\boxed{{{}}}")
TAKEN_AS_WRITTEN = ("{}.", "{})", "{},", "({}", "({}).", "**{}**")
OPTIONS = {form.format(each): each.lower() for form in SEEN_THROUGH for each in ascii_letters}
NO_OPTIONS = {form.format(each) for form in TAKEN_AS_WRITTEN for each in ascii_letters}
SENTENCE = re.compile(r"[A-Za-z0-9 .,:;?!()-]+")
# The grader drops units and factors, and evaluates formulas of at most two letters; of a
# sentence it may take " or " and " and " for commas.
DROPPED = re.compile(
    "illion|degree|cm|meter|mile|second|minute|hour|day|week|month|year|foot|feet|inch|yard"
    "|sqrt|frac",
)
MOST_LETTERS, KEPT = 2, set(ascii_lowercase) - set("orand")
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
    """Judge a letter or a sentence against a letter, or two equal texts, at once; else None.

    Agrees with `score_multiple_choice` on everything it judges.

    >>> compare_options("(b)", "B").value, compare_options("B or C", "B")
    (1.0, None)
    """
    answer, truth = answer.strip(), truth.strip()
    if answer == truth:
        return Score(1.0)
    option, true_option = OPTIONS.get(answer), OPTIONS.get(truth)
    if true_option is None:
        return None
    if option is not None:
        return Score(float(option == true_option))
    return Score(0.0) if answer in NO_OPTIONS or _is_sentence(answer) else None


def _is_sentence(text: str) -> bool:
    """Whether a text keeps more letters than the grader evaluates, whatever it drops."""
    if SENTENCE.fullmatch(text) is None:
        return False
    plain = text.lower()
    return len(KEPT.intersection(plain)) > MOST_LETTERS and DROPPED.search(plain) is None


def _same_text(answer: str, truth: str) -> bool:
    grader = _mathruler()
    if grader.normalize_answer(answer) == grader.normalize_answer(truth):
        return True
    return bool(grader._normalize(answer) == grader._normalize(truth))  # noqa: SLF001 - half of its verdict


@cache
def _mathruler() -> Any:
    from mathruler import grader

    return grader
