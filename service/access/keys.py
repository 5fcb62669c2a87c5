"""API keys: what a file says of each, and which of them a caller holds.

A file holds one JSON object a line, of a key only its hash. A key is 256 random bits, so a plain
SHA-256 of it cannot be turned back; the slow hashes that guessable passwords need would cost every
request tens of milliseconds and defend nothing here.
"""

import hashlib
import json
import re
import secrets
from dataclasses import dataclass
from enum import StrEnum
from fnmatch import fnmatchcase
from hmac import compare_digest
from typing import Any, Self

from service.errors import BadSettings

PREFIX = "rsk_"
RANDOM_BYTES = 32
NAME = re.compile(r"[A-Za-z0-9_.:-]{1,128}")
# As a run's name, with the signs of a pattern.
PATTERN = re.compile(r"[A-Za-z0-9_.:*?\[\]!-]{1,128}")
HASH = re.compile(r"[0-9a-f]{64}")
FIELDS = ("name", "sha256", "scopes", "runs")
EVERY_RUN = "*"


class Scope(StrEnum):
    """What a key may be for; none of them includes another."""

    REWARD = "reward"
    ADVANTAGE = "advantage"
    ADMIN = "admin"


@dataclass(frozen=True, slots=True)
class Key:
    """What is known of a key: its name, its SHA-256 in hexadecimal, and what it allows."""

    name: str
    sha256: str
    scopes: frozenset[Scope]
    runs: tuple[str, ...]

    def sees(self, run: str) -> bool:
        """Whether the key is for a run of that name, by the patterns of shells.

        >>> Key("a", "", frozenset(), ("job-*", "test")).sees("job-7")
        True
        """
        return any(fnmatchcase(run, pattern) for pattern in self.runs)

    def sees_all(self) -> bool:
        """Whether the key is for every run, and so for what tells of all of them."""
        return EVERY_RUN in self.runs

    def line(self) -> str:
        """Write the key as its line of a file."""
        record = {
            "name": self.name,
            "sha256": self.sha256,
            "scopes": sorted(self.scopes),
            "runs": list(self.runs),
        }
        return json.dumps(record) + "\n"

    @classmethod
    def read(cls, line: str | bytes) -> Self:
        """Read a line of a file; raise `ValueError` that says what was expected."""
        record = json.loads(line)
        if not isinstance(record, dict) or sorted(record) != sorted(FIELDS):
            raise ValueError(f"expected an object with {', '.join(FIELDS)}")
        return cls(
            name=_matching(NAME, record["name"], "name: expected 1 to 128 letters, digits or _.:-"),
            sha256=_matching(HASH, record["sha256"], "sha256: expected 64 hexadecimal digits"),
            scopes=frozenset(map(_scope, _texts(record["scopes"], "scopes"))),
            runs=tuple(map(_pattern, _texts(record["runs"], "runs"))),
        )


def _matching(pattern: re.Pattern[str], value: Any, expected: str) -> str:
    if not isinstance(value, str) or not pattern.fullmatch(value):
        raise ValueError(expected)
    return value


def _texts(value: Any, name: str) -> list[str]:
    if not isinstance(value, list) or not value or not all(isinstance(one, str) for one in value):
        raise ValueError(f"{name}: expected a list of at least one text")
    return value


def _scope(text: str) -> Scope:
    try:
        return Scope(text)
    except ValueError:
        raise ValueError(f"scopes: expected {', '.join(Scope)}; got {text!r}") from None


def _pattern(text: str) -> str:
    return _matching(PATTERN, text, "runs: expected names of runs, or patterns such as job-*")


# Who asks a service that was given no keys.
ANYBODY = Key("anybody", "", frozenset(Scope), (EVERY_RUN,))


@dataclass(frozen=True, slots=True)
class KeyRing:
    """All keys of a file."""

    keys: tuple[Key, ...]

    def find(self, presented: bytes) -> Key | None:
        """Return the key that a caller presented, in the same time whichever it is, or None."""
        digest = hashlib.sha256(presented).hexdigest()
        found = [key for key in self.keys if compare_digest(key.sha256, digest)]
        return found[0] if found else None

    @classmethod
    def read(cls, content: bytes) -> Self:
        """Read a file; raise `BadSettings`, naming the line at fault."""
        keys = [
            _read_line(number, line)
            for number, line in enumerate(content.split(b"\n"), 1)
            if line.strip()
        ]
        if not keys:
            raise BadSettings("expected at least one key")
        for field in ("name", "sha256"):
            if len({getattr(key, field) for key in keys}) < len(keys):
                raise BadSettings(f"expected a {field} of its own for every key")
        return cls(tuple(keys))


def _read_line(number: int, line: bytes) -> Key:
    try:
        return Key.read(line)
    except (ValueError, RecursionError) as error:
        # A decoder's own words tell where in the line, not what was expected.
        known = type(error) is ValueError
        raise BadSettings(f"line {number}: {error if known else 'expected JSON'}") from None


def new_key(name: str, scopes: list[str], runs: list[str]) -> tuple[str, Key]:
    """Return a new key, which is nowhere else, and what a file keeps of it.

    Raises `BadSettings` for a name, a scope or a pattern that cannot be.
    """
    secret = PREFIX + secrets.token_urlsafe(RANDOM_BYTES)
    record = {
        "name": name,
        "sha256": hashlib.sha256(secret.encode()).hexdigest(),
        "scopes": scopes,
        "runs": runs,
    }
    try:
        return secret, Key.read(json.dumps(record))
    except ValueError as error:
        raise BadSettings(str(error)) from None
