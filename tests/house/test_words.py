"""Everything that has a name says what it is."""

import ast
import re
from collections import Counter

from tests.house.source import MODULES, ROOT, TEST_MODULES, definitions, functions, tree

SENTENCE = re.compile(r"\S.*[.?:]$")
SILENCED = re.compile(r"#\s*([n]oqa|[t]ype:\s*ignore)(?P<rest>.*)$")
REASONED = re.compile(r"(: [A-Z]+\d+(, [A-Z]+\d+)*|\[[a-z-]+(, [a-z-]+)*\]) +[-#] \S")


def first_line(node: ast.AST) -> str:
    """The first line of a docstring, empty without one."""
    return (ast.get_docstring(node) or "").partition("\n")[0]


def is_public(name: str) -> bool:
    """Whether readers meet the name: nothing in its path begins with an underscore."""
    return not any(part.startswith("_") for part in name.split("."))


def test_a_module_opens_with_a_sentence():
    """The first line of a module says what it is for."""
    modules = MODULES + TEST_MODULES
    assert [str(path) for path in modules if not SENTENCE.match(first_line(tree(path)))] == []


def test_a_public_name_is_documented():
    """Every public class, function and method has a docstring that opens with a sentence."""
    bare = [
        f"{path}:{node.lineno} {name}"
        for path in MODULES
        for name, node in definitions(tree(path))
        if is_public(name) and not SENTENCE.match(first_line(node))
    ]
    assert bare == []


def test_a_test_says_what_it_proves():
    """Every test states in words of its own what is true."""
    claims = [
        (path, test.name, first_line(test))
        for path in TEST_MODULES
        for test in functions(path)
        if test.name.startswith("test_")
    ]
    mute = [f"{path} {name}" for path, name, claim in claims if not claim.endswith((".", "?"))]
    said = Counter((path, claim) for path, _, claim in claims)
    assert mute == []
    assert [f"{path}: {claim}" for (path, claim), times in said.items() if times > 1] == []


def test_an_exception_to_a_rule_gives_its_reason():
    """What silences a checker names the rule and says why."""
    bare = [
        f"{path}:{number}"
        for path in MODULES + TEST_MODULES
        for number, line in enumerate((ROOT / path).read_text(encoding="utf-8").splitlines(), 1)
        if (match := SILENCED.search(line)) and not REASONED.match(match["rest"])
    ]
    assert bare == []
