"""What the code imports is declared, and what is declared is pinned."""

import ast
import re
import sys
import tomllib
from importlib.metadata import PackageNotFoundError, packages_distributions, requires, version
from pathlib import Path

from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

from tests.house.source import MODULES, PACKAGES, ROOT, TEST_MODULES, modules, tree

PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
EXTRAS = PROJECT["optional-dependencies"]
PINS = (ROOT / "deploy/constraints.txt").read_text().splitlines()[1:]
PIN = re.compile(r"[A-Za-z0-9._-]+==[A-Za-z0-9.]+")
DISTRIBUTIONS = packages_distributions()

# Not imported by name, and why they are declared all the same.
UNSEEN = {
    "accelerate": "transformers loads large models with it",
    "fastapi-offline": "the files of /docs are taken from it",
    "gguf": "transformers reads GGUF files with it",
    "httptools": "uvicorn is told to parse with it",
    "protobuf": "transformers reads tokenizer.model with it",
    "pylatexenc": "mathruler imports it without declaring it",
    "sentencepiece": "transformers reads tokenizer.model with it",
    "tensorboard": "torch writes its files with it",
}
# Imported by name, and whose own words they are.
LENT = {
    "annotated_types": "pydantic",
    "antlr4": "math-verify",
    "latex2sympy2_extended": "math-verify",
    "starlette": "fastapi",
    "sympy": "math-verify",
}

# An adapter is loaded by its framework, which it therefore need not bring along.
ADAPTERS = Path("trainer_client/adapters")
HOSTS = {"nemo_gym", "swift", "verl"}

# What is tried in environments of its own, by `make conformance`.
CONFORMANCE = Path("tests/conformance")


def names(requirements: list[str]) -> set[str]:
    """The canonical names of requirements."""
    return {canonicalize_name(Requirement(one).name) for one in requirements}


DECLARED = names(PROJECT["dependencies"]).union(
    *(names(rows) for extra, rows in EXTRAS.items() if extra != "dev")
)
DECLARED_FOR_TESTS = DECLARED | names(EXTRAS["dev"])


def imported(path: Path) -> set[str]:
    """The top-level names that a module imports, lazily too, from outside the project."""
    found: set[str] = set()
    for node in ast.walk(tree(path)):
        if isinstance(node, ast.Import):
            found |= {alias.name.partition(".")[0] for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.level == 0:
            found.add((node.module or "").partition(".")[0])
    hosts = HOSTS if path.is_relative_to(ADAPTERS) else set()
    return found - set(sys.stdlib_module_names) - hosts - {*PACKAGES, "tests", "examples", ""}


def closure(requirements: list[str]) -> set[str]:
    """Everything that installing `requirements` brings along, by canonical name."""
    found: set[str] = set()
    pending = [(Requirement(one), "") for one in requirements]
    while pending:
        requirement, extra = pending.pop()
        if requirement.marker and not requirement.marker.evaluate({"extra": extra}):
            continue
        name = canonicalize_name(requirement.name)
        for wanted in {"", *requirement.extras}:
            if f"{name}[{wanted}]" in found:
                continue
            found.add(f"{name}[{wanted}]")
            pending += [(Requirement(one), wanted) for one in required_by(name)]
    return {name.partition("[")[0] for name in found}


def required_by(name: str) -> list[str]:
    """What an installed distribution requires; nothing of one that is not installed."""
    return requires(name) or [] if is_installed(name) else []


def is_installed(name: str) -> bool:
    """Whether the environment has a distribution."""
    try:
        version(name)
    except PackageNotFoundError:
        return False
    return True


def providers(module: str) -> set[str]:
    """The distributions that an import may come from, by canonical name."""
    lender = LENT.get(module)
    return set(map(canonicalize_name, [lender] if lender else DISTRIBUTIONS.get(module, [module])))


def undeclared(paths: list[Path], declared: set[str]) -> list[str]:
    """Every import of `paths` that no declared dependency provides."""
    wanted = [(path, module) for path in paths for module in imported(path)]
    return [f"{path}: {module}" for path, module in wanted if not providers(module) & declared]


def test_what_is_imported_is_declared():
    """Every third-party import belongs to a declared dependency."""
    assert undeclared(MODULES, DECLARED) == []


def test_what_a_test_imports_is_declared():
    """`make test` needs nothing that `make venv` does not install."""
    tests = [path for path in TEST_MODULES if not path.is_relative_to(CONFORMANCE)]
    assert undeclared(tests, DECLARED_FOR_TESTS) == []


def test_every_pin_is_exact():
    """A constraint names one version of one distribution, once, in alphabetical order."""
    assert [pin for pin in PINS if not PIN.fullmatch(pin)] == []
    assert sorted(set(PINS), key=str.lower) == PINS


def test_what_is_installed_is_pinned():
    """Whatever `make venv` installs, directly or not, comes in a version that was tested."""
    everything = PROJECT["dependencies"] + [row for rows in EXTRAS.values() for row in rows]
    pinned = {canonicalize_name(pin.partition("==")[0]) for pin in PINS}
    assert [name for name in sorted(closure(everything) - pinned) if is_installed(name)] == []


def test_torchvision_stays_away():
    """Beside a CPU build of torch, torchvision keeps transformers from importing."""
    assert "torchvision" not in closure([row for rows in EXTRAS.values() for row in rows])


def test_what_is_declared_is_used():
    """No dependency is left over from code that is gone."""
    paths = MODULES + modules("examples")
    used = {provider for path in paths for name in imported(path) for provider in providers(name)}
    assert sorted(DECLARED - used - set(UNSEEN)) == []
