"""Math: is it the same formula?

Runs where it can be killed: sympy may take for ever over what a policy writes. Nothing here
limits time or memory; the engine does, from outside.
"""

import logging
from functools import cache, lru_cache
from typing import Any

from rewards.score import Score
from rewards.specs import Spec

FORMULAS_KEPT = 4096


def score_math(answer: str, truth: str, spec: Spec) -> Score:  # noqa: ARG001 - one shape for all
    r"""Score 1 when math-verify finds `answer` equivalent to `truth`, else 0.

    As the released code on a main thread: what cannot be parsed or compared is not equivalent.

    >>> score_math(r"$$\dfrac{6}{4}$$", r"\frac{3}{2}", Spec()).value
    1.0
    """
    verify = _math_verify().verify
    return Score(float(verify(parse_formula(truth), parse_formula(answer), timeout_seconds=None)))


@lru_cache(maxsize=FORMULAS_KEPT)
def parse_formula(text: str) -> list[Any]:
    """Return what math-verify reads in `text`: sympy expressions and strings, maybe none."""
    return list(_math_verify().parse(text, parsing_timeout=None))


@cache
def _math_verify() -> Any:
    import math_verify

    # It warns once that its own time limit is off, and once more for each formula that fails.
    logging.getLogger("math_verify").setLevel(logging.CRITICAL)
    return math_verify
