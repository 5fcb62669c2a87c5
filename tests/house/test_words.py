"""Everything that has a name says what it is."""

import ast
import re
from collections import Counter
from pathlib import Path

import pytest

from tests.house.source import MODULES, ROOT, TEST_MODULES, definitions, functions, tree

SENTENCE = re.compile(r"\S.*[.?:]$")
SILENCED = re.compile(r"#\s*(noqa|type:\s*ignore)(?P<rest>.*)$")
REASONED = re.compile(r"(: [A-Z]+\d+(, [A-Z]+\d+)*|\[[a-z-]+(, [a-z-]+)*\]) +[-#] \S")


def first_line(node: ast.AST) -> str:
    """The first line of a docstring, empty without one."""
    return (ast.get_docstring(node) or "").partition("\n")[0]


def is_public(name: str) -> bool:
    """Whether readers meet the name: nothing in its path begins with an underscore."""
    return not any(part.startswith("_") for part in name.split("."))


@pytest.mark.parametrize("path", MODULES + TEST_MODULES, ids=str)
def test_a_module_opens_with_a_sentence(path):
    """The first line of a module says what it is for."""
    assert SENTENCE.match(first_line(tree(path)))


@pytest.mark.parametrize("path", MODULES, ids=str)
def test_a_public_name_is_documented(path):
    """Every public class, function and method has a docstring that opens with a sentence."""
    bare = [
        f"{path}:{node.lineno} {name}"
        for name, node in definitions(tree(path))
        if is_public(name) and not SENTENCE.match(first_line(node))
    ]
    assert bare == []


@pytest.mark.parametrize("path", TEST_MODULES, ids=str)
def test_a_test_says_what_it_proves(path):
    """Every test states in words of its own what is true."""
    claims = {f.name: first_line(f) for f in functions(path) if f.name.startswith("test_")}
    assert [name for name, claim in claims.items() if not claim.endswith((".", "?"))] == []
    assert [claim for claim, times in Counter(claims.values()).items() if times > 1] == []


@pytest.mark.parametrize("path", MODULES + TEST_MODULES, ids=str)
def test_an_exception_to_a_rule_gives_its_reason(path):
    """What silences a checker names the rule and says why."""
    if path == Path(__file__).relative_to(ROOT):
        return
    lines = (ROOT / path).read_text().splitlines()
    silenced = [(number, SILENCED.search(line)) for number, line in enumerate(lines, 1)]
    bare = [number for number, match in silenced if match and not REASONED.match(match["rest"])]
    assert bare == []
