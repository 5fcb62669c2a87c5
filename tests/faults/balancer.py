"""HAProxy before three replicas, with the configuration of deploy/haproxy as it is."""

import csv
import os
import socket
import subprocess
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Self

from tests.faults.replicas import PATIENCE_S, Replica
from tests.house.source import ROOT
from tests.redis_server import free_port
from tests.tools import tool

CONFIG = ROOT / "deploy/haproxy/haproxy.cfg"
SOCKET = "haproxy.sock"
BACKEND = "BACKEND"


@dataclass
class Balancer:
    """A process that spreads requests over replicas; `socket` is where it tells of them."""

    folder: Path
    replicas: list[Replica]
    port: int = field(default_factory=free_port)
    process: subprocess.Popen[bytes] | None = None

    @property
    def url(self) -> str:
        """Where it is found."""
        return f"http://127.0.0.1:{self.port}"

    def __enter__(self) -> Self:
        places = {
            f"REPLICA_{number}": f"127.0.0.1:{replica.port}"
            for number, replica in enumerate(self.replicas, start=1)
        }
        self.process = subprocess.Popen(
            [tool("haproxy"), "-db", "-f", CONFIG],
            env={**os.environ, **places, "REWARDS_BIND": f"127.0.0.1:{self.port}"},
            cwd=self.folder,
        )
        self.wait_until((self.folder / SOCKET).exists)
        for replica in self.replicas:
            self.wait_for(replica, "UP")
        return self

    def __exit__(self, *_) -> None:
        self.process.terminate()
        self.process.wait()

    def rows(self) -> dict[str, dict[str, str]]:
        """What it counted for each replica and for all of them, by name."""
        with socket.socket(socket.AF_UNIX) as connection:
            connection.settimeout(PATIENCE_S)
            connection.connect(str(self.folder / SOCKET))
            connection.sendall(b"show stat\n")
            with connection.makefile() as answer:
                lines = answer.read().removeprefix("# ").strip().splitlines()
        found = csv.DictReader(lines)
        return {row["svname"]: row for row in found if row["pxname"] == "replicas"}

    def row(self, replica: Replica) -> dict[str, str]:
        """What it counted for a replica."""
        return self.rows()[f"replica-{self.replicas.index(replica) + 1}"]

    def wait_for(self, replica: Replica, status: str) -> None:
        """Return when a replica is taken for `UP`, or for `DOWN`."""
        self.wait_until(lambda: self.row(replica)["status"] == status)

    def wait_for_turn(self, replica: Replica) -> None:
        """Return when a replica has been given a request."""
        before = self.row(replica)["stot"]
        self.wait_until(lambda: self.row(replica)["stot"] != before)

    def wait_until(self, holds: Callable[[], bool]) -> None:
        """Return when `holds()`."""
        limit = time.monotonic() + PATIENCE_S
        while not holds():
            assert self.process.poll() is None, "haproxy ended"
            assert time.monotonic() < limit, f"haproxy does not come to it: {self.rows()}"
            time.sleep(0.05)
