"""From comparisons to the texts that a server tokenises, in chunks of one call each."""

from collections.abc import Hashable, Iterable, Mapping
from dataclasses import dataclass

from rewards.backends.polar_http.options import HttpOptions
from rewards.ports import Comparison
from rewards.text.polar_prompt import Limits, PolarPrompt, Tokeniser, cut, surely_fits, well_formed


@dataclass(frozen=True, slots=True)
class Chunk:
    """What goes into one call."""

    comparisons: tuple[Comparison, ...]
    texts: tuple[str, ...]

    @property
    def family(self) -> Hashable:
        """The prompt and reference it begins with."""
        return _family(self.comparisons[0])


def spell(
    comparisons: Iterable[Comparison], tokeniser: Tokeniser | None
) -> dict[Comparison, str | None]:
    """The text of each comparison, or None where it may need a cut and nothing can make one."""
    return {
        comparison: _spell_one(
            comparison.prompt, comparison.reference, comparison.output, tokeniser
        )
        for comparison in comparisons
    }


def _spell_one(prompt: str, reference: str, output: str, tokeniser: Tokeniser | None) -> str | None:
    if tokeniser is not None:
        return cut(prompt, reference, output, tokeniser).spell()
    if not surely_fits(prompt, reference, output, Limits.of()):
        return None
    return PolarPrompt.of(*map(well_formed, (prompt, reference, output))).spell()


def into_chunks(texts: Mapping[Comparison, str], options: HttpOptions) -> list[Chunk]:
    """Split into calls, rollouts of one prompt next to each other for the server's prefix cache."""
    chunks: list[list[Comparison]] = []
    items = characters = 0
    for comparison in _by_family(texts):
        size = len(texts[comparison])
        full = items == options.chunk_items or characters + size > options.chunk_characters
        if full or not chunks:
            chunks.append([])
            items = characters = 0
        chunks[-1].append(comparison)
        items, characters = items + 1, characters + size
    return [Chunk(tuple(chunk), tuple(texts[c] for c in chunk)) for chunk in chunks]


def _family(comparison: Comparison) -> Hashable:
    return comparison.prompt, comparison.reference


def _by_family(comparisons: Iterable[Comparison]) -> Iterable[Comparison]:
    families: dict[Hashable, list[Comparison]] = {}
    for comparison in comparisons:
        families.setdefault(_family(comparison), []).append(comparison)
    return (comparison for members in families.values() for comparison in members)
