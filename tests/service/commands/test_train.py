"""Tests for `reward-service train`."""

import subprocess
import sys

import pytest


def run(*arguments, without=()):
    """The command in a process that lacks some libraries."""
    hidden = "".join(f"sys.modules[{name!r}] = None; " for name in without)
    script = f"import sys; {hidden}from service.cli import main; main()"
    return subprocess.run(
        [sys.executable, "-c", script, "train", *arguments],
        capture_output=True,
        text=True,
        check=False,
    )


def test_the_trainer_takes_over(tmp_path):
    """Its complaint about the job and its exit status are what the caller gets."""
    job = tmp_path / "job.toml"
    job.write_text('colour = "red"')
    done = run(str(job), "--resume")
    assert done.returncode == 1
    assert done.stderr.startswith("BadConfig: colour: unknown key")


@pytest.mark.parametrize("library", ["torch", "transformers"])
def test_without_its_libraries_it_says_what_to_install(library):
    """One line, as every command."""
    done = run("job.toml", without=[library])
    assert done.returncode == 1
    assert f"train needs the extra 'train', for '{library}' is not installed" in done.stderr
