"""Nothing that is sent or loaded can become code."""

import ast

import pytest
import yaml

from tests.house.source import MODULES, ROOT, committed, tree

# What turns data into code, as a function or as anybody's method.
FUNCTIONS = {"eval", "exec", "compile", "__import__"}
METHODS = {"sympify", "unsafe_load", "full_load"}
PICKLES = {"pickle", "dill", "cloudpickle", "marshal", "shelve", "joblib"}
SILENCED = ("S102", "S301", "S302", "S307", "S403", "S506", "S614")
PINNED = ("--revision", "--code-revision", "--tokenizer-revision")
SWITCHES = ("trust_remote_code=True", "weights_only=False")


def suspects(path):
    """Every call and every import of a module that makes code of data."""
    for node in ast.walk(tree(path)):
        match node:
            case ast.Call(func=ast.Name(id=name)) if name in FUNCTIONS | METHODS:
                yield name
            case ast.Call(func=ast.Attribute(attr=name)) if name in METHODS:
                yield name
            case ast.Import(names=names):
                yield from (one.name for one in names if one.name in PICKLES)
            case ast.ImportFrom(module=module, names=names) if module in PICKLES:
                # An error may be named, to be caught.
                yield from (one.name for one in names if not one.name.endswith("Error"))


@pytest.mark.promise(28)
def test_no_module_makes_code_of_data():
    """No pickle, no `eval`, no code of a checkpoint, and no linter told to look away."""
    sources = {path: (ROOT / path).read_text(encoding="utf-8") for path in MODULES}
    found = [f"{path}: {name}" for path in MODULES for name in suspects(path)]
    found += [
        f"{path}: {code}"
        for path, text in sources.items()
        for code in (*(f"noqa: {code}" for code in SILENCED), *SWITCHES)
        if code in text
    ]
    assert found == []


def commands(node):
    """Every list of words in a document."""
    inner = node.values() if isinstance(node, dict) else node if isinstance(node, list) else ()
    if isinstance(node, list) and all(isinstance(word, str) for word in node):
        yield node
    for one in inner:
        yield from commands(one)


@pytest.mark.promise(28)
def test_a_server_runs_the_code_of_one_commit():
    """Where a model server may run what comes with a model, whoever starts it names the commit."""
    trusting = [
        words
        for path in committed()
        if path.parts[0] == "deploy" and path.suffix in {".yaml", ".yml"}
        for document in yaml.safe_load_all((ROOT / path).read_text(encoding="utf-8"))
        for words in commands(document)
        if "--trust-remote-code" in words
    ]
    assert len(trusting) == 2
    for words in trusting:
        options = dict(word.partition("=")[::2] for word in words)
        assert all("POLAR_REVISION" in options[name] for name in PINNED)


def test_what_makes_code_of_data_would_be_found(tmp_path):
    """The search finds what it is for."""
    module = tmp_path / "module.py"
    module.write_text("import pickle\nfrom dill import loads\neval('1')\nyaml.unsafe_load('')\n")
    assert set(suspects(module)) == {"pickle", "loads", "eval", "unsafe_load"}
