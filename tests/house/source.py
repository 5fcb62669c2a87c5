"""The project's own source, as the house tests read it."""

import ast
import subprocess
from collections.abc import Iterator
from functools import cache
from pathlib import Path

ROOT = Path(__file__).parents[2]
PACKAGES = ("rewards", "service", "trainer_client")

Function = ast.FunctionDef | ast.AsyncFunctionDef
Definition = Function | ast.ClassDef


def modules(*folders: str) -> list[Path]:
    """Every Python module under `folders`, relative to the root."""
    found = (path for folder in folders for path in (ROOT / folder).rglob("*.py"))
    return sorted(path.relative_to(ROOT) for path in found)


MODULES = modules(*PACKAGES)
TEST_MODULES = modules("tests")


@cache
def tree(path: Path) -> ast.Module:
    """The syntax tree of a module."""
    return ast.parse((ROOT / path).read_text(encoding="utf-8"))


def functions(path: Path) -> Iterator[Function]:
    """Every function and method written in a module, inner ones too."""
    return (node for node in ast.walk(tree(path)) if isinstance(node, Function))


def definitions(
    scope: ast.Module | ast.ClassDef, prefix: str = ""
) -> Iterator[tuple[str, Definition]]:
    """Every function, class and method a reader can name, with its dotted name."""
    for node in scope.body:
        if isinstance(node, Definition):
            yield prefix + node.name, node
        if isinstance(node, ast.ClassDef):
            yield from definitions(node, f"{prefix}{node.name}.")


@cache
def committed() -> tuple[Path, ...]:
    """Every file that git tracks, or would track if asked to, relative to the root."""
    command = ["git", "ls-files", "--cached", "--others", "--exclude-standard"]
    listed = subprocess.run(command, cwd=ROOT, check=True, capture_output=True, text=True)
    paths = map(Path, listed.stdout.splitlines())
    return tuple(sorted(path for path in paths if (ROOT / path).is_file()))


def text_of(path: Path) -> str | None:
    """The text of a file, or None when it holds something else."""
    try:
        return (ROOT / path).read_text(encoding="utf-8")
    except UnicodeDecodeError:
        return None
