"""What the service promises, which tests hold it to that, and what was measured last."""

import ast
import tomllib
from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from tests.house.source import ROOT, TEST_MODULES, functions

FILE = ROOT / "docs/promises.toml"


@dataclass(frozen=True, slots=True)
class Promise:
    """One promise; `untested` says why no test holds it, `measured` what was seen last."""

    number: int
    says: str
    untested: str = ""
    measured: str = ""


@dataclass(frozen=True, slots=True)
class Holder:
    """A test that names a promise."""

    path: Path
    name: str


def promises() -> list[Promise]:
    """Every promise, by number."""
    rows = tomllib.loads(FILE.read_text(encoding="utf-8"))["promise"]
    return sorted((Promise(**row) for row in rows), key=lambda promise: promise.number)


def held_by() -> dict[int, list[Holder]]:
    """The tests whose decorators name a promise, by its number."""
    found: dict[int, list[Holder]] = defaultdict(list)
    for path in TEST_MODULES:
        for test in functions(path):
            for number in numbers(test):
                found[number].append(Holder(path, test.name))
    return found


def numbers(test: ast.FunctionDef | ast.AsyncFunctionDef) -> Iterator[int]:
    """What stands in `@pytest.mark.promise(…)` above a test."""
    for decorator in test.decorator_list:
        if isinstance(decorator, ast.Call) and ast.unparse(decorator.func) == "pytest.mark.promise":
            yield from (ast.literal_eval(argument) for argument in decorator.args)
