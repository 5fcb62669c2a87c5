"""Tests for the examples' service: it comes up, and nothing of it stays."""

import signal
import subprocess
import sys
import time

import pytest
import urllib3

from examples.server import ServiceDied, run_service
from tests.e2e.running import descendants, is_running
from tests.house.source import ROOT

SCRIPT = """
import sys, time
from pathlib import Path
from examples.server import run_service
with run_service(Path(sys.argv[1])) as url:
    print(url, flush=True)
    time.sleep(600)
"""


@pytest.mark.parametrize("ending", [signal.SIGINT, signal.SIGTERM], ids=["ctrl-c", "kill"])
def test_an_interrupted_program_leaves_nothing_running(tmp_path, ending):
    """The service and its workers are gone when the program is."""
    polite = "import signal; signal.signal(signal.SIGTERM, signal.default_int_handler)"
    process = subprocess.Popen(
        [sys.executable, "-c", polite + SCRIPT, str(tmp_path)],
        cwd=ROOT,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
    )
    try:
        url = process.stdout.readline().strip()
        assert urllib3.request("GET", f"{url}/readyz").status == 200
        family = descendants(process.pid)
        assert len(family) > 1
        process.send_signal(ending)
        process.communicate(timeout=60)
    finally:
        process.kill()
    for _ in range(200):
        if not any(map(is_running, family)):
            break
        time.sleep(0.05)
    assert [pid for pid in family if is_running(pid)] == []


def test_a_service_that_cannot_start_says_why(tmp_path):
    """The error holds the end of its log."""
    (tmp_path / "runs.sqlite").write_text("this is no database" * 100)
    with pytest.raises(ServiceDied, match="database"), run_service(tmp_path):
        pass
