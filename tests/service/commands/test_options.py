"""Tests for options made from settings."""

import pytest
from typer.testing import CliRunner

from service.cli import build_cli
from service.settings import Settings


@pytest.fixture(scope="module")
def serve_help():
    """What `reward-service serve --help` prints, on one line."""
    done = CliRunner().invoke(build_cli("serve"), ["serve", "--help"])
    return " ".join(done.stdout.split())


@pytest.mark.parametrize("name", Settings.model_fields)
def test_every_setting_is_in_the_help(serve_help, name):
    """Option, description, variable and default of each setting can be read there."""
    field = Settings.model_fields[name]
    assert f"--{name.replace('_', '-')} " in serve_help
    assert f"{field.description} [REWARDS_{name.upper()}" in serve_help
    if field.default not in (None, ()):
        assert f"REWARDS_{name.upper()}, default {field.default}" in serve_help


def test_bounds_are_in_the_help(serve_help):
    """What a setting may be is known before it is refused."""
    assert "[REWARDS_PORT, default 8080, from 0 to 65535]" in serve_help
    assert "above 0 to 3600]" in serve_help
    assert "debug|info|warning|error" in serve_help
