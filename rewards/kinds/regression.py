"""Regression: how close is the number, relative to the true one?"""

from rewards.maths.relative_accuracy import (
    mean_relative_accuracy,
    mean_relative_accuracy_float32,
)
from rewards.score import Score
from rewards.specs import Spec
from rewards.text.numerals import is_usable, read_number


def score_regression(answer: str, truth: float, spec: Spec) -> Score:
    """Score by mean relative accuracy, in [0, 1].

    >>> score_regression("-3", -4.0, Spec()).value
    0.5
    """
    number = read_number(answer)
    if number is None:
        return Score.miss("expected a number")
    if not is_usable(number):
        return Score.miss("the number is not finite")
    if spec.relative_accuracy_precision == "float32":
        return Score(mean_relative_accuracy_float32(number, truth))
    return Score(mean_relative_accuracy(number, truth))
