"""A real Redis of our own: on a free port, in a folder of its own, and one that can be killed."""

import random
import signal
import socket
import subprocess
import time
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path

from tests.tools import tool

DURABLE = ("--appendonly", "yes", "--appendfsync", "always", "--save", "")
PATIENCE_S = 60.0
# Below the range that systems give to connections, and so is what a cluster takes 10,000 higher;
# above that of Ray's workers.
PORTS = range(20_000, 22_768)
GIVEN: set[int] = set()


def free_port() -> int:
    """A port that nothing listens on now, another one each time."""
    while True:
        port = random.choice(PORTS)
        with socket.socket() as probe, suppress(OSError):
            probe.bind(("127.0.0.1", port))
            if port not in GIVEN:
                GIVEN.add(port)
                return port


@dataclass
class RedisServer:
    """A server with its append-only file in `folder`; `options` are those of redis-server."""

    folder: Path
    options: tuple[str, ...] = DURABLE
    port: int = field(default_factory=free_port)
    process: subprocess.Popen[bytes] | None = None

    @property
    def url(self) -> str:
        """Where it is found."""
        return f"redis://127.0.0.1:{self.port}/0"

    def start(self) -> "RedisServer":
        """Start, or start again on the same files, and wait until it answers."""
        base = ("--port", str(self.port), "--bind", "127.0.0.1", "--dir", str(self.folder))
        self.process = subprocess.Popen(
            [tool("redis-server"), *base, *self.options], stdout=subprocess.DEVNULL
        )
        self.wait_for("+PONG", "PING")
        return self

    def wait_for(self, answer: str, *words: str) -> None:
        """Ask again and again until `answer` is a line of what comes back."""
        limit = time.monotonic() + PATIENCE_S
        while answer not in self.ask_all(*words).split("\r\n"):
            assert self.process.poll() is None, "redis-server ended"
            assert time.monotonic() < limit, f"redis-server does not answer {answer}"
            time.sleep(0.005)

    def ask(self, *words: str) -> str:
        """The first line of the answer to a command, empty if there is none."""
        return self.ask_all(*words).partition("\r\n")[0]

    def ask_all(self, *words: str) -> str:
        """What comes back at once."""
        try:
            with socket.create_connection(("127.0.0.1", self.port), timeout=2) as connection:
                connection.sendall(" ".join(words).encode() + b"\r\n")
                return connection.recv(65536).decode()
        except OSError:
            return ""

    def kill(self) -> None:
        """End it as a power cut would, and wait until it is gone."""
        if self.process is not None:
            self.process.send_signal(signal.SIGCONT)
            self.process.kill()
            self.process.wait()
            self.process = None

    def freeze(self) -> None:
        """Stop it where it stands."""
        self.process.send_signal(signal.SIGSTOP)

    def thaw(self) -> None:
        """Let it go on."""
        self.process.send_signal(signal.SIGCONT)
