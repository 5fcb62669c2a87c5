"""`make help` tells of every target, and every target that is spoken of exists."""

import re
import subprocess

from tests.house.source import ROOT, committed, text_of

TEXT = (ROOT / "Makefile").read_text(encoding="utf-8")
TARGETS = re.findall(r"^([a-z][\w-]*):", TEXT, re.MULTILINE)
TOLD = re.findall(r"^([a-z][\w-]*):.*## \S", TEXT, re.MULTILINE)
SPOKEN = re.compile(r"(?:`|^)make ([a-z][\w-]*)", re.MULTILINE)


def test_help_tells_of_every_target():
    """Each target has a line in `make help`, and is there once."""
    assert TOLD == TARGETS == list(dict.fromkeys(TARGETS))


def test_a_target_is_never_mistaken_for_a_file(tmp_path):
    """A file named as a target is does not stop make from running it."""
    (tmp_path / "help").touch()
    command = ["make", "--no-print-directory", "--file", ROOT / "Makefile", "help"]
    shown = subprocess.run(command, cwd=tmp_path, check=True, capture_output=True, text=True).stdout
    assert [line.split()[0] for line in shown.splitlines()] == TARGETS


def test_every_target_that_is_spoken_of_exists():
    """No text sends a reader to a target that is not there."""
    texts = {path: text_of(path) or "" for path in committed() if path.suffix in {".md", ".py"}}
    spoken = {f"{path}: {name}" for path, text in texts.items() for name in SPOKEN.findall(text)}
    assert sorted(one for one in spoken if one.rpartition(" ")[2] not in TARGETS) == []


def test_ci_runs_what_everybody_runs():
    """What decides whether a change lands is `make test` in a fresh environment."""
    commands = (ROOT / ".ci/run").read_text(encoding="utf-8").splitlines()
    assert commands[-1] == "exec make test"
    assert "rm -rf .venv" in commands
