"""The examples of documents do what they say, against a service that runs."""

import json
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path

import pytest

from tests.e2e.running import running
from tests.house.readme import DOCUMENTS
from tests.house.source import ROOT
from tests.tiny_sam2 import save_tiny_sam2

BLOCK = re.compile(r"^```(\w+)\n(.*?)^```$", re.MULTILINE | re.DOTALL)
SERVICE = "http://127.0.0.1:8080"
ANYTHING = "…"
LOOKS = "examples/mask/"


@dataclass(frozen=True)
class Example:
    """Code, and what it is said to print."""

    language: str
    code: str
    output: str | None
    output_language: str | None

    @property
    def title(self) -> str:
        """A name for reports."""
        return f"{self.language}: {' '.join(self.code.split())[:40]}"


def examples() -> Iterator[Example]:
    """Every runnable block, with the block of output that follows it, if any."""
    texts = [document.read_text(encoding="utf-8") for document in DOCUMENTS]
    blocks = [block for text in texts for block in (*BLOCK.findall(text), ("", ""))]
    for (language, code), (next_language, next_block) in pairwise(blocks):
        if language == "python" or (language == "sh" and code.startswith("curl")):
            shown = next_language in ("json", "text")
            yield Example(
                language,
                code,
                next_block if shown else None,
                next_language if shown else None,
            )


EXAMPLES = list(examples())


@pytest.fixture(scope="module")
def folder(service, tmp_path_factory):
    """Where a reader stands: a folder with the examples, and a run to carry elsewhere."""
    step = {"run": "job-41", "step": 1, "rewards": [1.0, 0.0], "groups": ["p", "p"]}
    body = json.dumps(step | {"tasks": ["math", "math"]})
    assert service.http.request("POST", f"{service.url}/advantage", body=body).status == 200
    reader = tmp_path_factory.mktemp("reader")
    (reader / "examples").symlink_to(ROOT / "examples")
    return reader


@pytest.fixture(scope="module")
def looking(tmp_path_factory):
    """A service with a mask model, of random weights under the name of a real one."""
    room = tmp_path_factory.mktemp("looking")
    checkpoint = save_tiny_sam2(room / "sam2.1-hiera-tiny")
    with running("--sam2", str(checkpoint), "--media-dir", str(room / "media")) as service:
        yield service


def run(example: Example, url: str, folder: Path) -> str:
    """Run an example against the service at `url`, and return what it printed."""
    code = example.code.replace(SERVICE, url)
    command = (
        [sys.executable, "-c", code] if example.language == "python" else ["bash", "-ec", code]
    )
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    environment |= dict.fromkeys(("NO_PROXY", "no_proxy"), "127.0.0.1")
    done = subprocess.run(
        command, cwd=folder, env=environment, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


def matches(shown: object, real: object) -> bool:
    """Whether what is shown is what came, `…` standing for any text."""
    match shown, real:
        case dict(), dict():
            return shown.keys() == real.keys() and all(matches(shown[k], real[k]) for k in shown)
        case list(), list():
            return len(shown) == len(real) and all(map(matches, shown, real))
        case str(), str():
            parts = map(re.escape, shown.split(ANYTHING))
            return re.fullmatch(".*".join(parts), real, re.DOTALL) is not None
    return shown == real


@pytest.mark.skipif(shutil.which("curl") is None, reason="the examples are for curl")
@pytest.mark.parametrize("example", EXAMPLES, ids=lambda example: example.title)
def test_an_example_prints_what_it_shows(example, folder, request):
    """What a reader copies from a document works, and answers as the document says."""
    service = request.getfixturevalue("looking" if LOOKS in example.code else "service")
    printed = run(example, service.url, folder)
    if example.output_language == "json":
        assert matches(json.loads(example.output), json.loads(printed)), printed
    elif example.output_language == "text":
        assert printed == example.output


def test_the_comparison_can_fail():
    """A wrong number, a missing field and another text are noticed."""
    assert matches({"a": [1, "x…z"]}, {"a": [1, "xyz"]})
    assert not matches({"a": 1}, {"a": 2})
    assert not matches({"a": 1}, {"a": 1, "b": 2})
    assert not matches("x…z", "xyw")


def test_documents_have_examples():
    """There are examples for the shell and for Python, and almost all show their output."""
    assert {example.language for example in EXAMPLES} == {"python", "sh"}
    assert sum(example.output is not None for example in EXAMPLES) >= len(EXAMPLES) - 1 >= 4
