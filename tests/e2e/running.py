"""A real service in a process of its own, started as an operator starts it."""

import json
import os
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, TypeVar

import orjson
import urllib3

from tests.house.source import ROOT

COMMAND = (sys.executable, "-m", "service.cli", "serve")
ALWAYS = ("--port", "0", "--store", "memory:", "--workers", "1", "--drain-delay-s", "0")
STARTS_WITHIN_S = STOPS_WITHIN_S = 60
POLL_S = 0.02

Held = TypeVar("Held")


class Running:
    """A service that runs or ran: its process, its log, and a client of it."""

    def __init__(self, process: subprocess.Popen[bytes], log: Path) -> None:
        self.process = process
        self._log = log
        self.http = urllib3.PoolManager(retries=False, timeout=60, maxsize=4)

    @property
    def lines(self) -> list[str]:
        """What it logged so far."""
        return self._log.read_text(encoding="utf-8").splitlines()

    def logged(self, event: str) -> list[dict[str, Any]]:
        """Every whole line of the log about `event`."""
        found = (
            json.loads(line) for line in self.lines if line.startswith("{") and line[-1] == "}"
        )
        return [line for line in found if line["event"] == event]

    def wait_until(self, holds: Callable[[], Held], within_s: float = STARTS_WITHIN_S) -> Held:
        """Return what `holds()` gives once that is true; fail when it takes too long."""
        deadline = time.monotonic() + within_s
        while not (held := holds()):
            assert time.monotonic() < deadline, "\n".join(self.lines[-20:])
            time.sleep(POLL_S)
        return held

    @property
    def port(self) -> int:
        """Where it listens, once it does."""
        return self.wait_until(lambda: self.logged("listening"))[0]["port"]

    @property
    def url(self) -> str:
        """The address of the service, once it listens."""
        return f"http://127.0.0.1:{self.port}"

    def get(self, path: str) -> urllib3.BaseHTTPResponse:
        """Send a request without a body."""
        return self.http.request("GET", self.url + path)

    def post(self, path: str, body: object) -> urllib3.BaseHTTPResponse:
        """Send JSON."""
        return self.http.request("POST", self.url + path, body=orjson.dumps(body))

    def children(self) -> list[int]:
        """Every process that it started, and that those started."""
        return descendants(self.process.pid)


@contextmanager
def running(
    *options: str, environment: dict[str, str] | None = None, log: int | None = None
) -> Iterator[Running]:
    """Start a service on a free port; afterwards tell it to stop, and see that it does so well.

    `log` is the file descriptor of a log of the caller's own.
    """
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, "log")
        with path.open("wb") as file:
            process = subprocess.Popen(
                [*COMMAND, *ALWAYS, *options],
                cwd=ROOT,
                env={**os.environ, **(environment or {})},
                stderr=file if log is None else log,
                start_new_session=True,
            )
        service = Running(process, path)
        try:
            yield service
            if process.poll() is None:
                process.terminate()
                assert process.wait(STOPS_WITHIN_S) == 0
        finally:
            service.http.clear()
            if process.poll() is None:
                os.killpg(process.pid, signal.SIGKILL)
                process.wait()


def descendants(ancestor: int) -> list[int]:
    """Every process that a process started, and that those started."""
    parents = {int(path.name): stat(path.name)[1] for path in Path("/proc").glob("[0-9]*")}
    # Numbers wrap around, so a child may have a lower one than its parent.
    family, new = {ancestor}, {str(ancestor)}
    while new:
        children = {pid for pid, parent in parents.items() if parent in new} - family
        family |= children
        new = set(map(str, children))
    return sorted(family - {ancestor})


def stat(pid: int | str) -> list[str]:
    """State, parent and what else the system knows of a process; state `X` when it is gone."""
    try:
        return Path(f"/proc/{pid}/stat").read_text(encoding="utf-8").rpartition(")")[2].split()
    except OSError:
        return ["X", ""]


def is_running(pid: int) -> bool:
    """Whether a process is there and is not a zombie."""
    return stat(pid)[0] not in {"X", "Z"}
