"""`reward-service verify-log` as its users run it."""

import asyncio
import subprocess
import sys
from pathlib import Path

import pytest

from service.engine.advantages import AdvantageEngine
from service.engine.runs import RunLedger
from service.state.memory import MemoryStore
from tests.service.engine.steps import many_rollouts, request_of


@pytest.fixture(scope="module")
def lines():
    """The log of four steps."""

    async def take():
        engine = AdvantageEngine(MemoryStore())
        for step in range(4):
            await engine.take(request_of(step, rollouts=many_rollouts(step)))
        return [line async for line in RunLedger(engine.store).lines("job")]

    return asyncio.run(take())


def verify(*files):
    """Run the command."""
    command = [sys.executable, "-m", "service.cli", "verify-log", *map(str, files)]
    root = Path(__file__).parents[3]
    return subprocess.run(command, capture_output=True, text=True, check=False, cwd=root)


def test_a_whole_log_is_sound(tmp_path, lines):
    """One line, and exit code 0; two files that share a line are one log."""
    first, second = tmp_path / "first.log", tmp_path / "second.log"
    first.write_bytes(b"\n".join(lines[:3]) + b"\n")
    second.write_bytes(b"\n".join(lines[2:]))
    outcome = verify(first, second)
    assert outcome.returncode == 0
    assert outcome.stdout == "sound: 4 updates of 1 runs, 0 rewinds, 1 repeated lines\n"


def test_a_broken_log_is_not(tmp_path, lines):
    """Every fault on a line of its own, and exit code 1."""
    path = tmp_path / "updates.log"
    path.write_bytes(b"\n".join([lines[0], lines[2], b"not a line"]))
    outcome = verify(path)
    assert outcome.returncode == 1
    assert outcome.stdout.startswith("NOT SOUND, 2 faults: 2 updates of 1 runs")
    assert "line 3 is no update" in outcome.stderr
    assert "version 2 is missing" in outcome.stderr


def test_a_file_that_is_not_there_is_named(tmp_path):
    """In one line."""
    outcome = verify(tmp_path / "nothing.log")
    assert outcome.returncode == 1
    assert outcome.stderr.endswith("nothing.log: No such file or directory\n")
    assert outcome.stderr.count("\n") == 1
