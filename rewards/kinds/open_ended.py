"""Open-ended answers and captions: how near is the text to the reference?

A reward model judges them where one is configured; these functions are the rule that the
released code falls back on by default.
"""

from rewards.score import Score
from rewards.specs import Spec
from rewards.text.rouge import Words, rouge

SCORER = "rouge"


def read_truth(text: str) -> Words:
    """Read the reference text.

    >>> read_truth("Two dogs").words
    ('two', 'dog')
    """
    return Words.read(text)


def score_open_ended(answer: str, truth: Words, spec: Spec) -> Score:  # noqa: ARG001 - one shape
    """Score the mean F1 of ROUGE-1, ROUGE-2 and ROUGE-L with Porter stemming, in [0, 1].

    >>> round(score_open_ended("Two dogs ran", read_truth("two dogs running"), Spec()).value, 4)
    0.6111
    """
    scores = rouge(Words.read(answer), truth)
    parts = {"rouge1": scores.rouge1, "rouge2": scores.rouge2, "rouge_l": scores.rouge_l}
    return Score(min(1.0, scores.mean), parts=parts, scorer=SCORER)
