"""OCR: how many words were read right?"""

from rewards.maths.edit_distance import word_error_rate
from rewards.score import Score
from rewards.specs import Spec


def read_truth(text: str) -> list[str]:
    """Split the true transcription at white space; an empty one is the truth of a blank image.

    >>> read_truth("the quick / brown fox")
    ['the', 'quick', '/', 'brown', 'fox']
    """
    return text.split()


def score_ocr(answer: str, truth: list[str], spec: Spec) -> Score:  # noqa: ARG001 - one shape for all
    """Score `1 - WER`, in [0, 1].

    >>> score_ocr("the quick brown fox", ["the", "quick", "/", "brown", "fox"], Spec()).value
    0.8
    """
    error_rate = word_error_rate(answer.split(), truth)
    return Score(max(0.0, 1.0 - error_rate), parts={"word_error_rate": error_rate})
