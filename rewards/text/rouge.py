"""ROUGE with Porter stemming: how many words and runs of words two texts share."""

import re
from collections import Counter
from dataclasses import dataclass
from functools import cache, lru_cache
from itertools import pairwise
from typing import Any, Self

from nltk.stem.porter import PorterStemmer
from rapidfuzz.distance import LCSseq

WORD = re.compile(r"[a-z0-9]+")
LONGEST_UNSTEMMED = 3
STEMS_KEPT = 1 << 17

Bigram = tuple[str, str]


@dataclass(frozen=True, slots=True)
class Words:
    """A text as ROUGE sees it: stemmed words, and how often each word and pair occurs."""

    words: tuple[str, ...]
    unigrams: Counter[str]
    bigrams: Counter[Bigram]

    @classmethod
    def read(cls, text: str) -> Self:
        """Split into runs of ASCII letters and digits, lower case, words over 3 letters stemmed.

        >>> Words.read("Two dogs, running!").words
        ('two', 'dog', 'run')
        """
        words = tuple(
            _stem(word) if len(word) > LONGEST_UNSTEMMED else word
            for word in WORD.findall(text.lower())
        )
        return cls(words, Counter(words), Counter(pairwise(words)))


@dataclass(frozen=True, slots=True)
class Rouge:
    """F1 of shared words, shared pairs, and the longest common subsequence; each in [0, 1]."""

    rouge1: float
    rouge2: float
    rouge_l: float

    @property
    def mean(self) -> float:
        """The mean of the three."""
        return (self.rouge1 + self.rouge2 + self.rouge_l) / 3.0


def rouge(answer: Words, truth: Words) -> Rouge:
    """Return ROUGE-1, ROUGE-2 and ROUGE-L of `answer` against `truth`.

    As in the `rouge_score` package with stemming; texts without words score 0.

    >>> rouge(Words.read("two dogs run in the park"), Words.read("two dogs running in a park"))
    Rouge(rouge1=0.8333333333333334, rouge2=0.6, rouge_l=0.8333333333333334)
    """
    size, true_size = len(answer.words), len(truth.words)
    common = LCSseq.similarity(answer.words, truth.words) if size and true_size else 0
    return Rouge(
        _f1(_shared(answer.unigrams, truth.unigrams), size, true_size),
        _f1(_shared(answer.bigrams, truth.bigrams), size - 1, true_size - 1),
        _f1(common, size, true_size),
    )


def _shared(counts: Counter[Any], others: Counter[Any]) -> int:
    few, many = (counts, others) if len(counts) < len(others) else (others, counts)
    return sum(min(n, many[gram]) for gram, n in few.items() if gram in many)


def _f1(shared: int, size: int, true_size: int) -> float:
    precision, recall = shared / max(size, 1), shared / max(true_size, 1)
    return 2 * precision * recall / (precision + recall) if shared else 0.0


@cache
def _stemmer() -> PorterStemmer:
    return PorterStemmer()


@lru_cache(maxsize=STEMS_KEPT)
def _stem(word: str) -> str:
    return str(_stemmer().stem(word))
