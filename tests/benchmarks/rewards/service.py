"""A real service in a process of its own, pinned to cores, and what one may ask and learn of it."""

import http.client
import os
import subprocess
import sys
import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import closing, contextmanager
from dataclasses import dataclass, field
from typing import Any

import orjson
import psutil

from tests.benchmarks.rewards.rounds import CORES

HOST = "127.0.0.1"
TIMEOUT_S = 120
SETTINGS = {
    "store": "memory:",
    "max_items": "65536",
    "max_body_bytes": str(256 * 2**20),
    "drain_delay_s": "0",
    "keep_alive_s": "3600",
}


@dataclass(slots=True)
class Service:
    """A running service; `started_s` is how long it took until it listened."""

    process: psutil.Process
    port: int
    started_s: float
    connection: http.client.HTTPConnection = field(init=False)

    def __post_init__(self) -> None:
        self.connection = self.connect()

    def connect(self) -> http.client.HTTPConnection:
        """A connection of its own, kept alive."""
        return http.client.HTTPConnection(HOST, self.port, timeout=TIMEOUT_S)

    def send(self, body: bytes) -> bytes:
        """Send a batch; returns the bytes of the answer."""
        return post(self.connection, body)

    def score(self, body: bytes) -> list[dict[str, Any]]:
        """Send a batch; returns its results."""
        results: list[dict[str, Any]] = orjson.loads(self.send(body))["results"]
        return results

    def cpu_s(self) -> float:
        """Processor seconds of the service and its workers so far."""
        return sum(sum(part.cpu_times()[:2]) for part in self._parts())

    def stage_s(self, stage: str) -> float:
        """Seconds that requests have spent in a stage so far."""
        sample = f'reward_stage_duration_seconds_sum{{stage="{stage}"}} '
        lines = get(self.connection, "/metrics").decode().splitlines()
        return sum(float(line.removeprefix(sample)) for line in lines if line.startswith(sample))

    def resident_mib(self) -> float:
        """Memory of the service and its workers, each page counted once."""
        return sum(part.memory_full_info().pss for part in self._parts()) / 2**20

    def _parts(self) -> list[psutil.Process]:
        return [self.process, *self.process.children(recursive=True)]


def post(connection: http.client.HTTPConnection, body: bytes) -> bytes:
    """Send one batch; returns the bytes of the answer, and fails unless it was accepted."""
    connection.request("POST", "/reward", body, {"content-type": "application/json"})
    return read(connection)


def get(connection: http.client.HTTPConnection, path: str) -> bytes:
    """Ask for a path; returns the bytes of the answer."""
    connection.request("GET", path)
    return read(connection)


def read(connection: http.client.HTTPConnection) -> bytes:
    """Read an answer to its end, which must be a 200."""
    answer = connection.getresponse()
    content = answer.read()
    if answer.status != http.client.OK:
        raise RuntimeError(f"expected 200, got {answer.status}: {content[:500]!r}")
    return content


@contextmanager
def serving(cores: Sequence[int], **settings: str) -> Iterator[Service]:
    """Run `reward-service serve` on some of the machine's cores."""
    given = {f"REWARDS_{name.upper()}": value for name, value in (SETTINGS | settings).items()}
    affinity = {CORES[core % len(CORES)] for core in cores}
    began = time.perf_counter()
    process = subprocess.Popen(
        [sys.executable, "-m", "service.cli", "serve", "--port", "0"],
        env=os.environ | given,
        stderr=subprocess.PIPE,
        preexec_fn=lambda: os.sched_setaffinity(0, affinity),  # noqa: PLW1509 - nothing else inherits it
    )
    try:
        port = _await_port(process)
        service = Service(psutil.Process(process.pid), port, time.perf_counter() - began)
        with closing(service.connection):
            yield service
    finally:
        process.terminate()
        process.wait()


def _await_port(process: subprocess.Popen[bytes]) -> int:
    lines = iter(process.stderr or ())
    for line in lines:
        said = orjson.loads(line)
        if said.get("event") == "listening":
            # Somebody has to read what it goes on to say, lest it wait for room in the pipe.
            threading.Thread(target=lambda: [None for _ in lines], daemon=True).start()
            return int(said["port"])
    raise RuntimeError("the service ended before it listened")
