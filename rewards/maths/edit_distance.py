"""Edits between two word sequences."""

from collections.abc import Sequence

from rapidfuzz.distance import Levenshtein


def word_error_rate(words: Sequence[str], true_words: Sequence[str]) -> float:
    """Return substitutions, insertions and deletions per true word; may pass 1.

    An empty truth counts as one word.

    >>> word_error_rate("the cat sat".split(), "the cat sat down".split())
    0.25
    >>> word_error_rate(["a", "b"], [])
    2.0
    """
    return Levenshtein.distance(true_words, words) / max(1, len(true_words))
