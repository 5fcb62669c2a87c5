"""A service in a process of its own, started as a reader of the README would start it."""

import re
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

from tests.house.source import ROOT

COMMAND = (sys.executable, "-m", "service.cli", "serve")
LISTENING = re.compile(r'"port":\s*(\d+)')
STOPS_WITHIN_S = 60


@dataclass(frozen=True)
class Running:
    """Where a service listens, and its process; the log can be read line by line."""

    url: str
    process: subprocess.Popen[str]


@contextmanager
def running(*options: str) -> Iterator[Running]:
    """Start a service on a free port; afterwards tell it to stop, and see that it does."""
    always = ("--port", "0", "--drain-delay-s", "0", "--workers", "1")
    with subprocess.Popen(
        [*COMMAND, *always, *options], cwd=ROOT, stderr=subprocess.PIPE, text=True
    ) as process:
        try:
            port = next(found[1] for line in process.stderr if (found := LISTENING.search(line)))
            yield Running(f"http://127.0.0.1:{port}", process)
            process.terminate()
            assert process.wait(STOPS_WITHIN_S) == 0
        finally:
            process.kill()
