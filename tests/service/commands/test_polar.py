"""Tests for `reward-service polar check`."""

import pytest
from typer.testing import CliRunner

from service.cli import build_cli
from tests.polar_checkpoints import RandomPolar


def run(*arguments):
    """What the command prints, and how it ends."""
    return CliRunner().invoke(build_cli("polar"), ["polar", *arguments], env={"COLUMNS": "160"})


def test_a_random_checkpoint_is_not_the_published_one(tmp_path):
    """Its scores stand beside the published ones, and the verdict is plain."""
    done = run("check", str(RandomPolar(positions=4096).write(tmp_path / "POLAR-tiny")))
    assert done.exit_code == 0, done.output
    assert "polar:POLAR-tiny" in done.output
    assert "-0.5703" in done.output
    assert "-11.0304" in done.output
    assert "these are not the scores of POLAR-7B" in done.output


@pytest.mark.parametrize("folder", ["missing", "."])
def test_a_folder_without_a_checkpoint_is_one_clear_line(tmp_path, folder):
    """Nothing is guessed, and no traceback is shown."""
    done = run("check", str(tmp_path / folder))
    assert done.exit_code == 1
    assert len(done.output.strip().splitlines()) == 1
    assert "reward-service polar check: " in done.output
