"""Tests for options made from settings."""

from pathlib import Path

import pytest
from pydantic import TypeAdapter
from typer.testing import CliRunner

from service.cli import build_cli
from service.commands.options import settings_signature
from service.settings import Settings


def squeezed(text):
    """Text without its white space."""
    return "".join(text.split())


@pytest.fixture(scope="module")
def serve_help():
    """What `reward-service serve --help` prints, without white space: lines break anywhere."""
    done = CliRunner().invoke(build_cli("serve"), ["serve", "--help"])
    return squeezed(done.stdout)


@pytest.mark.parametrize("name", Settings.model_fields)
def test_every_setting_is_in_the_help(serve_help, name):
    """Option, description, variable and default of each setting can be read there."""
    field = Settings.model_fields[name]
    variable = f"REWARDS_{name.upper()}"
    assert f"--{name.replace('_', '-')}" in serve_help
    assert squeezed(f"{field.description} [{variable}") in serve_help
    if field.default not in (None, ()):
        assert squeezed(f"{variable}, default {field.default}") in serve_help


def test_bounds_are_in_the_help(serve_help):
    """What a setting may be is known before it is refused."""
    assert squeezed("[REWARDS_PORT, default 8080, from 0 to 65535]") in serve_help
    assert squeezed("above 0 to 3600]") in serve_help
    assert "debug|info|warning|error" in serve_help


@pytest.mark.parametrize("name", Settings.model_fields)
def test_the_help_says_what_an_option_takes(name):
    """The word beside an option is of the type that its setting has, not of another."""
    annotation = settings_signature().parameters[name].annotation
    [option] = annotation.__metadata__
    examples = {
        "TEXT": "x",
        "INTEGER": 5,
        "NUMBER": 0.5,
        "PATH": Path("x"),
        "true|false": True,
        "TEXT,…": ("x",),
        "PATH,…": (Path("x"),),
    }
    example = examples.get(option.metavar, option.metavar.partition("|")[0])
    expected = Settings.model_fields[name].annotation
    assert TypeAdapter(expected).validate_python(example, strict=True) == example
    assert not isinstance(example, str) or option.metavar == "TEXT" or "|" in option.metavar
