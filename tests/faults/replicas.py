"""Whole service processes, to be killed and started again."""

import os
import subprocess
import sys
import time
from dataclasses import dataclass, field
from pathlib import Path

import urllib3

from tests.redis_server import free_port

PATIENCE_S = 60.0
ROOT = Path(__file__).parents[2]


@dataclass
class Replica:
    """One `reward-service serve` on a port of its own; `settings` are those of the service.

    A setting of None is left at its default.
    """

    folder: Path
    settings: dict[str, str | None]
    port: int = field(default_factory=free_port)
    process: subprocess.Popen[bytes] | None = None
    http: urllib3.PoolManager = field(default_factory=lambda: urllib3.PoolManager(retries=False))

    @property
    def url(self) -> str:
        """Where it is found."""
        return f"http://127.0.0.1:{self.port}"

    @property
    def update_log(self) -> Path:
        """Its own log of updates."""
        return self.folder / f"updates-{self.port}.log"

    def start(self) -> "Replica":
        """Start the process; `wait` says when it serves."""
        settings = {"workers": "1", "drain_delay_s": "0", "update_log": str(self.update_log)}
        variables = {
            f"REWARDS_{name.upper()}": value
            for name, value in (settings | self.settings).items()
            if value is not None
        }
        with (self.folder / f"replica-{self.port}.log").open("ab") as log:
            self.process = subprocess.Popen(
                [sys.executable, "-m", "service.cli", "serve", "--port", str(self.port)],
                env={**os.environ, **variables},
                cwd=ROOT,
                stdout=log,
                stderr=log,
            )
        return self

    def wait(self) -> "Replica":
        """Return when it is ready."""
        limit = time.monotonic() + PATIENCE_S
        while not self.is_ready():
            assert self.process.poll() is None, "the service ended; see its log"
            assert time.monotonic() < limit, "the service does not become ready"
            time.sleep(0.02)
        return self

    def is_ready(self) -> bool:
        """Whether it answers its probe."""
        try:
            return self.send("GET", "/readyz").status == 200
        except urllib3.exceptions.HTTPError:
            return False

    def send(self, method: str, path: str, *, timeout_s: float = 10.0, **options):
        """One request, sent once."""
        return self.http.request(method, self.url + path, timeout=timeout_s, **options)

    def kill(self) -> None:
        """End it as a power cut would, and wait until it is gone."""
        if self.process is not None:
            self.process.kill()
            self.process.wait()
            self.process = None
            self.http.clear()

    def stop(self) -> int:
        """Ask it to end, and return with what it ended."""
        self.process.terminate()
        code = self.process.wait(timeout=PATIENCE_S)
        self.process = None
        self.http.clear()
        return code
