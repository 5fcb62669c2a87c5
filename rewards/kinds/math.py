"""Math: is it the same formula?

Runs where it can be killed: sympy may take for ever over what a policy writes. Nothing here
limits time or memory; the engine does, from outside.
"""

import logging
from functools import cache
from types import SimpleNamespace
from typing import Any

from rewards.score import Score
from rewards.specs import Spec
from rewards.text.simple.compare import compare
from rewards.text.simple.nothing import shows_nothing

NO_FORMULA = "no formula can be read in the answer"


def score_math(answer: str, truth: str, spec: Spec) -> Score:  # noqa: ARG001 - one shape for all
    r"""Score 1 when math-verify finds `answer` equivalent to `truth`, else 0.

    As the released code on a main thread: what cannot be parsed or compared is not equivalent.

    >>> score_math(r"$$\dfrac{6}{4}$$", r"\frac{3}{2}", Spec()).value
    1.0
    """
    formulas = _formulas()
    told, true = formulas.read(answer), formulas.read(truth)
    if told.written and told.written.strip() == (true.written or "").strip():
        return Score(1.0)
    if told.expression is None:
        return Score.miss(NO_FORMULA)
    if true.expression is None:
        return Score(0.0)
    try:
        equal = formulas.settle(told.expression, true.expression)
    except Exception:  # noqa: BLE001 - a shortcut that breaks says nothing about the formulas
        equal = None
    if equal is None:
        equal = formulas.verify(true.expression, told.expression, timeout_seconds=None)
    return Score(float(equal))


def read_math_truth(truth: str) -> None:
    """Do the part of the work that concerns the truth alone; it is remembered."""
    _formulas().read(truth)


def compare_simple(answer: str, truth: str) -> Score | None:
    r"""Judge without sympy what needs no algebra, such as numbers and sets of them; else None.

    Agrees with `score_math` on everything it judges.

    >>> compare_simple("$1.5$", r"\frac{3}{2}").value, compare_simple("$x+1$", "$x+2$").value
    (1.0, 0.0)
    >>> compare_simple("$x+x$", "$2x$")
    """
    if shows_nothing(answer):
        return Score.miss(NO_FORMULA)
    equal = compare(answer, truth)
    return None if equal is None else Score(float(equal))


@cache
def _formulas() -> Any:
    # A second of imports, for those who have formulas.
    import math_verify

    from rewards.maths.formulas import settle
    from rewards.text.formulas.search import read_formula

    # It warns once that its own time limit is off, and once more for each formula that fails.
    logging.getLogger("math_verify").setLevel(logging.CRITICAL)
    return SimpleNamespace(read=read_formula, settle=settle, verify=math_verify.verify)
