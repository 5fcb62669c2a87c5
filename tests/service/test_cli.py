"""Tests for the command line as a whole."""

import re
import subprocess
import sys

import pytest
from typer.testing import CliRunner

from service.cli import COMMANDS, build_cli

# Installed without the extra `service`: these are not there.
BARE = """
import sys
for name in ("fastapi", "orjson", "prometheus_client", "structlog", "uvicorn", "uvloop"):
    sys.modules[name] = None
from service.cli import main
main()
"""


def run_bare(*arguments):
    """The finished command, in a process without the libraries of the service."""
    command = [sys.executable, "-c", BARE, *arguments]
    return subprocess.run(command, capture_output=True, text=True, check=False)


def test_help_lists_every_command():
    """Whatever is installed, all commands can be seen."""
    done = run_bare("--help")
    assert done.returncode == 0
    for command in COMMANDS:
        assert f"  {command.name} " in done.stdout
        assert command.summary in done.stdout


def test_without_the_extra_serve_says_what_to_install():
    """A missing library is one line that says how to get it."""
    done = run_bare("serve", "--port", "80")
    assert done.returncode == 1
    assert re.fullmatch(
        r"reward-service serve needs the extra 'service', for '\w+' is not installed:"
        r" pip install 'reward-service\[service\]'\n",
        done.stderr,
    )


def test_without_the_extra_a_file_can_be_scored(tmp_path):
    """Scoring a file needs nothing of the server."""
    file = tmp_path / "rows.jsonl"
    file.write_text('{"kind": "ocr", "response": "a", "ground_truth": "a"}')
    done = run_bare("score", str(file))
    assert done.returncode == 0, done.stderr
    assert "accuracy 1.000" in done.stdout


@pytest.mark.parametrize(
    ("arguments", "complaint"),
    [
        (["bogus"], "No such command 'bogus'"),
        (["serve", "--prot", "80"], "No such option: --prot"),
        (["serve", "--port", "99999"], "reward-service: port: Input should be less than"),
        (["serve", "--store", "mysql://x"], "reward-service: store: String should match"),
    ],
)
def test_a_mistake_is_told_without_a_traceback(arguments, complaint):
    """A command line that cannot be followed says why and fails."""
    done = CliRunner().invoke(build_cli(arguments[0]), arguments)
    assert done.exit_code != 0
    assert complaint in done.stderr
    assert isinstance(done.exception, SystemExit)
