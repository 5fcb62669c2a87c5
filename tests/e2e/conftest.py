"""A real server process on a free port, started as an operator starts it."""

import json
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import orjson
import pytest
import urllib3

STARTING_S = 60


class Process:
    """A running `reward-service serve`, its log, and a client of it."""

    def __init__(self, *options: str, environment: dict[str, str] | None = None) -> None:
        command = [sys.executable, "-m", "service.cli", "serve", "--port", "0", *options]
        self.process = subprocess.Popen(
            command,
            env={**os.environ, **(environment or {})},
            stderr=subprocess.PIPE,
            text=True,
            start_new_session=True,
        )
        self.lines: list[str] = []
        self._reader = threading.Thread(target=self._read)
        self._reader.start()
        self.http = urllib3.PoolManager(retries=False, timeout=60, maxsize=4)

    def _read(self) -> None:
        for line in self.process.stderr:
            self.lines.append(line)

    def logged(self, event: str) -> list[dict]:
        """Every line of the log about `event`."""
        lines = (json.loads(line) for line in self.lines if line.startswith("{"))
        return [line for line in lines if line["event"] == event]

    def wait_until(self, holds, within_s=STARTING_S):
        """Return what `holds()` gives once that is true; fail when it takes too long."""
        deadline = time.monotonic() + within_s
        while not (held := holds()):
            assert time.monotonic() < deadline, "".join(self.lines[-20:])
            time.sleep(0.02)
        return held

    @property
    def port(self) -> int:
        """Where it listens, once it does."""
        return self.wait_until(lambda: self.logged("listening"))[0]["port"]

    def get(self, path):
        """Send a request without a body."""
        return self.http.request("GET", f"http://127.0.0.1:{self.port}{path}")

    def post(self, path, body):
        """Send JSON."""
        url = f"http://127.0.0.1:{self.port}{path}"
        return self.http.request("POST", url, body=orjson.dumps(body))

    def signal(self, number: signal.Signals) -> None:
        """Send a signal to the service alone, as a supervisor does."""
        self.process.send_signal(number)

    def wait(self, timeout_s=30) -> int:
        """Wait for its end; the exit status."""
        status = self.process.wait(timeout_s)
        self._reader.join(timeout_s)
        return status

    def children(self) -> list[int]:
        """Every process that it started, and that those started."""
        parents = {int(path.name): stat(path.name)[1] for path in Path("/proc").glob("[0-9]*")}
        family = {self.process.pid}
        for pid in sorted(parents):
            if parents[pid] in map(str, family):
                family.add(pid)
        return sorted(family - {self.process.pid})


def stat(pid) -> list[str]:
    """State, parent and what else the system knows of a process; state `X` when it is gone."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    except OSError:
        return ["X", ""]


def is_running(pid: int) -> bool:
    """Whether a process is there and is not a zombie."""
    return stat(pid)[0] not in {"X", "Z"}


@contextmanager
def starting(*options: str, **settings) -> Iterator[Process]:
    """Start a service and make sure that nothing of it is left."""
    service = Process("--store", "memory:", "--workers", "1", *options, **settings)
    try:
        yield service
    finally:
        if service.process.poll() is None:
            os.killpg(service.process.pid, signal.SIGKILL)
        service.wait()
        service.process.stderr.close()
        service.http.clear()


@pytest.fixture(scope="session")
def service() -> Iterator[Process]:
    """A service that tests share and do not stop."""
    with starting("--log-level", "debug", "--worker-cpu-s", "1") as process:
        yield process
