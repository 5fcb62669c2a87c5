"""Just enough of a Dockerfile reader: stages, and the instructions that each of them inherits."""

import json
import re
import shlex
from dataclasses import dataclass, field
from typing import Self

from tests.house.source import ROOT

CONTINUED = re.compile(r"\\\n\s*")
MOUNT = re.compile(r"^--mount=\S+\s+")


@dataclass(frozen=True)
class Stage:
    """A stage's name, what it starts from, and its own instructions as (word, rest)."""

    name: str
    base: str
    instructions: list[tuple[str, str]] = field(default_factory=list)


@dataclass(frozen=True)
class Containerfile:
    """Every stage, by name, in the order of the file."""

    stages: dict[str, Stage]

    @classmethod
    def read(cls) -> Self:
        """The Dockerfile of the project."""
        text = CONTINUED.sub("", (ROOT / "Dockerfile").read_text())
        stages: dict[str, Stage] = {}
        for line in text.splitlines():
            word, _, rest = line.partition(" ")
            if word == "FROM":
                base, _, name = rest.partition(" AS ")
                stage = stages[name] = Stage(name, base)
            elif word and not word.startswith("#"):
                stage.instructions.append((word, rest.strip()))
        return cls(stages)

    def instructions(self, name: str) -> list[tuple[str, str]]:
        """Every instruction of a stage, those of the stages it starts from first."""
        stage = self.stages[name]
        inherited = self.instructions(stage.base) if stage.base in self.stages else []
        return inherited + stage.instructions

    def last(self, name: str, word: str) -> str:
        """What the last `word` instruction of a stage says."""
        return [rest for one, rest in self.instructions(name) if one == word][-1]

    def environment(self, name: str) -> dict[str, str]:
        """The variables that a stage sets."""
        pairs = (
            pair
            for word, rest in self.instructions(name)
            if word == "ENV"
            for pair in shlex.split(rest)
        )
        return dict(pair.split("=", 1) for pair in pairs)

    def command(self, name: str, word: str) -> list[str]:
        """The JSON form of an ENTRYPOINT, CMD or HEALTHCHECK."""
        rest = self.last(name, word)
        return json.loads(rest[rest.index("[") :])


def without_mounts(command: str) -> str:
    """A RUN instruction's command alone."""
    return MOUNT.sub("", command)
