"""Verdicts that were expensive to reach, kept for the rollouts that say the same again."""

from collections import OrderedDict
from collections.abc import Hashable, Mapping

from rewards.score import Score


class VerdictCache:
    """The most recently used scores, bounded by the size of the texts that name them."""

    def __init__(self, max_characters: int) -> None:
        self._max_characters = max_characters
        self._characters = 0
        self._scores: OrderedDict[Hashable, tuple[Score, int]] = OrderedDict()
        self.hits = 0
        self.misses = 0

    def usage(self) -> Mapping[str, float]:
        """Hits and misses since the start, and how full it is."""
        return {
            "hits": self.hits,
            "misses": self.misses,
            "characters": self._characters,
            "characters_limit": self._max_characters,
        }

    def get(self, key: Hashable) -> Score | None:
        """Return the score kept under `key`, if any."""
        entry = self._scores.get(key)
        if entry is None:
            self.misses += 1
            return None
        self.hits += 1
        self._scores.move_to_end(key)
        return entry[0]

    def put(self, key: Hashable, score: Score, characters: int) -> None:
        """Keep a score; drops the least recently used ones that no longer fit."""
        if key in self._scores or characters > self._max_characters:
            return
        self._scores[key] = score, characters
        self._characters += characters
        while self._characters > self._max_characters:
            _, (_, freed) = self._scores.popitem(last=False)
            self._characters -= freed
