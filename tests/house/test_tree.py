"""What is committed belongs to the project alone and runs on any machine."""

import ast
import re
from collections import defaultdict

import pytest

from tests.house.source import MODULES, committed, functions, text_of

# Each pattern is written so that it does not match itself.
HOMES = re.compile(r"(?<![\w.*}-])/([w]ork|[t]mp|[r]oot|[h]ome|[o]pt|[U]sers)/\w")
INDEXES = re.compile(r"[p]ypi\.org|[p]ythonhosted|[n]pmjs|--(extra-)?[i]ndex-url|--[f]ind-links")
LARGEST_BYTES = 1_000_000
SMALLEST_COPY = 4

FILES = [path for path in committed() if path.name != "LICENSE"]


@pytest.mark.parametrize("banned", [HOMES, INDEXES], ids=["path", "index"])
def test_a_file_names_no_machine(banned):
    """No committed text holds a path of one machine or the address of a package index."""
    found = {str(path): banned.search(text_of(path) or "") for path in FILES}
    assert {path: match[0] for path, match in found.items() if match} == {}


def test_no_file_is_heavy():
    """A clone is quick: what is large is generated or installed."""
    heavy = {path: text for path in FILES if len(text := text_of(path) or "") > LARGEST_BYTES}
    assert sorted(heavy) == []


def test_nothing_is_written_twice():
    """No two functions of some length have the same body, whatever they are called."""
    copies = defaultdict(list)
    for path in MODULES:
        for function in functions(path):
            body = function.body[1:] if ast.get_docstring(function) else function.body
            if body and body[-1].end_lineno - body[0].lineno + 1 >= SMALLEST_COPY:
                copies[tuple(map(ast.dump, body))].append(f"{path}:{function.lineno}")
    assert [places for places in copies.values() if len(places) > 1] == []
