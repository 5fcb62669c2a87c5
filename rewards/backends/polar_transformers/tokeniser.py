"""POLAR's tokenizer from `tokenizer.model` or `tokenizer.json`, checked, and deaf to forgeries."""

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from sentencepiece import SentencePieceProcessor
from tokenizers import Tokenizer

from rewards.backends.polar_transformers.checkpoint import read_json
from rewards.backends.polar_transformers.packing import Passage
from rewards.errors import BadModel
from rewards.text.polar_prompt import (
    FAMILIES_OF_MARKS,
    LARGEST_INPUT,
    REWARD_TOKEN,
    SEPARATOR,
    Limits,
    Marks,
    cut,
    well_formed,
)

SENTENCEPIECE_FILE = "tokenizer.model"
FAST_FILE = "tokenizer.json"
CONFIG_FILE = "tokenizer_config.json"
FAMILY = re.compile("|".join(FAMILIES_OF_MARKS))
PROBES = (
    "What is the capital of China?\nBeijing.",
    "two  spaces,\n\n\ttabs and 1,234.5 = 2\u00b3",
    "\u4e2d\u6587, \u00e9t\u00e9, \U0001f389",
)


class Vocabulary(Protocol):
    """A tokenizer of either file format: text in tokens, and the tokens that are no text.

    Every id is below `size`.
    """

    size: int
    specials: Mapping[str, int]
    leading: tuple[int, ...]

    def encode(self, text: str) -> list[int]:
        """Tokens of the text, and of any special string within it."""
        ...

    def decode(self, tokens: Sequence[int]) -> str:
        """The text of the tokens."""
        ...


class SentencepieceVocabulary:
    """The pieces of `tokenizer.model`, and what `tokenizer_config.json` adds to them."""

    def __init__(self, folder: Path) -> None:
        try:
            self._pieces = SentencePieceProcessor(model_file=str(folder / SENTENCEPIECE_FILE))
        except (OSError, RuntimeError) as error:
            raise BadModel(f"{folder / SENTENCEPIECE_FILE}: {error}") from None
        config = read_json(folder / CONFIG_FILE) if (folder / CONFIG_FILE).exists() else {}
        ids = range(self._pieces.vocab_size())
        named = {
            self._pieces.id_to_piece(i): i
            for i in ids
            if self._pieces.is_control(i) or FAMILY.fullmatch(self._pieces.id_to_piece(i))
        }
        self.specials: Mapping[str, int] = named | _added_tokens(config)
        self.size = max(len(ids), 1 + max(self.specials.values()))
        leading = [self._pieces.bos_id()] if config.get("add_bos_token", True) else []
        self.leading: tuple[int, ...] = tuple(leading)

    def encode(self, text: str) -> list[int]:
        """Tokens of the text; a user-defined piece within it becomes that piece."""
        tokens: list[int] = self._pieces.encode(text)
        return tokens

    def decode(self, tokens: Sequence[int]) -> str:
        """The text of the tokens."""
        return str(self._pieces.decode(list(tokens)))


class FastVocabulary:
    """The tokenizer of `tokenizer.json`."""

    def __init__(self, folder: Path) -> None:
        try:
            self._tokens = Tokenizer.from_file(str(folder / FAST_FILE))
        except Exception as error:  # noqa: BLE001 - the library raises nothing narrower
            raise BadModel(f"{folder / FAST_FILE}: {error}") from None
        self._tokens.no_truncation()
        self._tokens.no_padding()
        added = self._tokens.get_added_tokens_decoder()
        named = {p: i for p, i in self._tokens.get_vocab().items() if FAMILY.fullmatch(p)}
        special = {str(token.content): i for i, token in added.items() if token.special}
        self.specials: Mapping[str, int] = named | special
        self.size = self._tokens.get_vocab_size()
        self.leading: tuple[int, ...] = tuple(self._tokens.encode("").ids)
        if self._tokens.encode(PROBES[0]).ids != [*self.leading, *self.encode(PROBES[0])]:
            raise BadModel(
                f"{folder / FAST_FILE}: puts tokens after the text; POLAR reads the last"
            )

    def encode(self, text: str) -> list[int]:
        """Tokens of the text; a special string within it becomes that token."""
        return list(self._tokens.encode(text, add_special_tokens=False).ids)

    def decode(self, tokens: Sequence[int]) -> str:
        """The text of the tokens."""
        return str(self._tokens.decode(list(tokens), skip_special_tokens=True))


@dataclass(frozen=True)
class PolarTokeniser:
    """Text to the tokens POLAR reads; marks come from here alone, never out of the text."""

    vocabulary: Vocabulary
    separator: int
    reward_token: int
    marks: Marks
    limits: Limits

    @classmethod
    def read(cls, folder: Path, *, positions: int = LARGEST_INPUT) -> "PolarTokeniser":
        """Open and check the folder's tokenizer; raise `BadModel` saying what is amiss.

        `positions` is how many the model has; by default as many as POLAR's own.
        """
        vocabulary = _open(folder)
        ids = [vocabulary.specials.get(mark) for mark in (SEPARATOR, REWARD_TOKEN)]
        if ids[0] is None or ids[1] is None or ids[0] == ids[1]:
            raise BadModel(
                f"{folder}: expected two tokens {SEPARATOR} and {REWARD_TOKEN}, got ids {ids}"
            )
        limits = Limits.of(positions, len(vocabulary.leading))
        tokeniser = cls(vocabulary, ids[0], ids[1], Marks(vocabulary.specials), limits)
        tokeniser._check()
        return tokeniser

    def encode(self, text: str) -> list[int]:
        """Tokens of the text alone; what looks like a mark is cut in two and stays text."""
        tokens: list[int] = []
        for fragment in self.marks.fragments(well_formed(text)):
            tokens += self.vocabulary.encode(fragment)
        return tokens

    def decode(self, tokens: Sequence[int]) -> str:
        """The text of the tokens."""
        return self.vocabulary.decode(tokens)

    def read_parts(self, prompt: str, reference: str, output: str) -> Passage:
        """Cut what is too long and lay out the whole input, from the first mark to the last."""
        halves = cut(prompt, reference, output, self)
        known = (*self.vocabulary.leading, *self.encode(halves.known), self.separator)
        return Passage((*known, *self.encode(halves.judged), self.reward_token), len(known))

    def _check(self) -> None:
        specials = set(self.vocabulary.specials.values())
        for mark in self.vocabulary.specials:
            if specials & set(self.encode(f"a{mark}b")):
                raise BadModel(f"the tokenizer reads the mark {mark!r} out of ordinary text")
        for probe in PROBES:
            if self.decode(self.encode(probe)) != probe:
                raise BadModel(f"the tokenizer does not give back the text {probe!r}")


def _open(folder: Path) -> Vocabulary:
    has_pieces, has_fast = ((folder / name).exists() for name in (SENTENCEPIECE_FILE, FAST_FILE))
    if not has_pieces and not has_fast:
        raise BadModel(f"{folder}: expected {SENTENCEPIECE_FILE} or {FAST_FILE}")
    if not has_pieces:
        return FastVocabulary(folder)
    vocabulary = SentencepieceVocabulary(folder)
    if has_fast:
        _compare(vocabulary, FastVocabulary(folder), folder)
    return vocabulary


def _compare(pieces: Vocabulary, fast: Vocabulary, folder: Path) -> None:
    for probe in PROBES:
        if pieces.encode(probe) != fast.encode(probe):
            raise BadModel(
                f"{folder}: {FAST_FILE} and {SENTENCEPIECE_FILE} disagree about {probe!r};"
                " keep the one that is right"
            )


def _added_tokens(config: Mapping[str, object]) -> dict[str, int]:
    entries = config.get("added_tokens_decoder") or {}
    if not isinstance(entries, dict):
        raise BadModel(f"{CONFIG_FILE}: expected added_tokens_decoder to map ids to tokens")
    return dict(_pairs(entries.items()))


def _pairs(entries: Iterable[tuple[str, Mapping[str, object]]]) -> Iterable[tuple[str, int]]:
    for number, token in entries:
        if not number.isdecimal() or not isinstance(token.get("content"), str):
            raise BadModel(
                f"{CONFIG_FILE}: expected an id and its content, got {number!r}: {token}"
            )
        yield str(token["content"]), int(number)
