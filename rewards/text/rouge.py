"""ROUGE with Porter stemming: how many words and runs of words two texts share."""

from collections import Counter
from collections.abc import Hashable, Iterable, Mapping
from dataclasses import dataclass
from functools import cache, cached_property
from itertools import pairwise
from string import ascii_lowercase, digits
from typing import Self, TypeVar

from nltk.stem.porter import PorterStemmer
from rapidfuzz.distance import LCSseq

LONGEST_UNSTEMMED = 3
STEMS_KEPT = 1 << 17

LETTERS = (ascii_lowercase + digits).encode()
ONLY_LETTERS = bytes(code if code in LETTERS else ord(" ") for code in range(256))

Gram = TypeVar("Gram", bound=Hashable)


@dataclass(frozen=True)
class Words:
    """A text as ROUGE sees it: stemmed words, and how often each word and pair occurs."""

    words: tuple[str, ...]

    @cached_property
    def unigrams(self) -> Counter[str]:
        """How often each word occurs."""
        return Counter(self.words)

    @cached_property
    def bigrams(self) -> Counter[tuple[str, str]]:
        """How often each word follows each."""
        return Counter(pairwise(self.words))

    @classmethod
    def read(cls, text: str) -> Self:
        """Split into runs of ASCII letters and digits, lower case, words over 3 letters stemmed.

        >>> Words.read("Two dogs, running!").words
        ('two', 'dog', 'run')
        """
        plain = text.lower().encode("ascii", "replace").translate(ONLY_LETTERS)
        return cls(tuple(map(_stems.__getitem__, plain.split())))


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
        _f1(_shared(answer.words, truth.unigrams), size, true_size),
        _f1(_shared(pairwise(answer.words), truth.bigrams), size - 1, true_size - 1),
        _f1(common, size, true_size),
    )


def _shared(grams: Iterable[Gram], counts: Mapping[Gram, int]) -> int:
    # The truth is counted once for all its answers; to count each answer, too, would cost more.
    left, shared = dict(counts), 0
    for gram in grams:
        if count := left.get(gram):
            left[gram] = count - 1
            shared += 1
    return shared


def _f1(shared: int, size: int, true_size: int) -> float:
    precision, recall = shared / max(size, 1), shared / max(true_size, 1)
    return 2 * precision * recall / (precision + recall) if shared else 0.0


class _Stems(dict[bytes, str]):
    """The stems of words, found when they are first asked for; all are forgotten now and then."""

    def __missing__(self, word: bytes) -> str:
        if len(self) >= STEMS_KEPT:
            self.clear()
        text = word.decode()
        stem = self[word] = _stemmer().stem(text) if len(text) > LONGEST_UNSTEMMED else text
        return stem


_stems = _Stems()


@cache
def _stemmer() -> PorterStemmer:
    return PorterStemmer()
