"""The house keeps its files short, its functions shorter, and its nesting shallow."""

import ast
from pathlib import Path

import pytest

from tests.house.source import MODULES, ROOT, TEST_MODULES, Function, functions

MAX_LINES, MAX_BODY, MAX_NESTING = 250, 40, 3
MAX_TEST_LINES = 400

BLOCKS = (ast.If, ast.For, ast.AsyncFor, ast.While, ast.With, ast.AsyncWith, ast.Try, ast.Match)
HOLDALLS = {"common", "helper", "helpers", "manager", "misc", "other", "util", "utils"}


def body_lines(function: Function) -> int:
    """Lines from the first statement after the docstring to the last."""
    first, last = function.body[0], function.body[-1]
    if ast.get_docstring(function) is None:
        return last.end_lineno - first.lineno + 1
    return last.end_lineno - first.end_lineno


def nesting(node: ast.AST, depth: int = 0) -> int:
    """The deepest block under `node`; `elif` does not deepen, inner functions are counted apart."""
    depths = [depth]
    for child in ast.iter_child_nodes(node):
        if isinstance(child, Function | ast.Lambda):
            continue
        is_elif = isinstance(node, ast.If) and node.orelse == [child] and isinstance(child, ast.If)
        depths.append(nesting(child, depth + (isinstance(child, BLOCKS) and not is_elif)))
    return max(depths)


def lines_of(path: Path) -> int:
    """How many lines a module has."""
    return len((ROOT / path).read_text(encoding="utf-8").splitlines())


def test_a_module_is_short():
    """A module that needs more room is two modules; tests may take more, though not any."""
    long = {str(path): lines_of(path) for path in MODULES if lines_of(path) > MAX_LINES}
    long |= {str(path): lines_of(path) for path in TEST_MODULES if lines_of(path) > MAX_TEST_LINES}
    assert long == {}


@pytest.mark.parametrize(("measure", "most"), [(body_lines, MAX_BODY), (nesting, MAX_NESTING)])
def test_a_function_is_short_and_flat(measure, most):
    """A function fits on a screen and indents at most three times."""
    found = {
        f"{path}:{function.lineno} {function.name}": measure(function)
        for path in MODULES
        for function in functions(path)
    }
    assert {where: measured for where, measured in found.items() if measured > most} == {}


def test_no_module_is_a_holdall():
    """A module is named for its one idea."""
    assert [path for path in MODULES + TEST_MODULES if path.stem in HOLDALLS] == []


def test_the_rulers_measure():
    """The budgets would notice a long body and a deep one, and let a chain of `elif` pass."""
    chain = "if a: pass\n" + "".join(f"elif a == {n}: pass\n" for n in range(9))
    deep = "while a:\n  with a:\n    for b in a:\n      if b: pass\n"
    assert nesting(ast.parse(chain)) == 1
    assert nesting(ast.parse(deep)) == 4
    long = ast.parse('def long():\n    """Long."""\n' + "    a = 1\n" * 41).body[0]
    assert body_lines(long) == 41
