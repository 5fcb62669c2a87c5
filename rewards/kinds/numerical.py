"""Numerical: is it the same number, to two decimals?"""

from rewards.score import Score
from rewards.specs import Spec
from rewards.text.numerals import is_usable, read_number


def score_numerical(answer: str, truth: float, spec: Spec) -> Score:
    """Score 1 when both round to the same number at `spec.numerical_digits` decimals, else 0.

    >>> score_numerical("3.1449", 3.14, Spec()).value, score_numerical("3.145", 3.14, Spec()).value
    (1.0, 0.0)
    """
    number = read_number(answer)
    if number is None:
        return Score.miss("expected a number")
    if not is_usable(number):
        return Score.miss("the number is not finite")
    digits = spec.numerical_digits
    return Score(float(round(number, digits) == round(truth, digits)))
