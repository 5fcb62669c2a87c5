"""The service, started for as long as an example runs."""

import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from trainer_client.client import RewardClient

START_S = 60.0
STOP_S = 20.0
POLL_S = 0.1


class ServiceDied(Exception):
    """The service ended or did not become ready; the message holds the end of its log."""


@contextmanager
def run_service(folder: Path) -> Iterator[str]:
    """Serve on a free port with an embedded store in `folder`; yield the URL, then stop it.

    The service has a session of its own, so that Ctrl-C reaches it once: from here.
    """
    folder.mkdir(parents=True, exist_ok=True)
    log = folder / "service.log"
    port = _free_port()
    command = [sys.executable, "-m", "service.cli", "serve", "--host", "127.0.0.1"]
    options = ["--port", str(port), "--store", f"sqlite:{folder / 'runs.sqlite'}"]
    with log.open("wb") as output:
        process = subprocess.Popen(  # noqa: S603  # our own command
            [*command, *options], stdout=output, stderr=output, start_new_session=True
        )
    try:
        url = f"http://127.0.0.1:{port}"
        _wait_until_ready(url, process, log)
        yield url
    finally:
        _stop(process)


def _wait_until_ready(url: str, process: subprocess.Popen[bytes], log: Path) -> None:
    ends_at = time.monotonic() + START_S
    with RewardClient(url) as client:
        while not client.ready():
            if process.poll() is not None or time.monotonic() > ends_at:
                raise ServiceDied("".join(log.read_text().splitlines(keepends=True)[-20:]))
            time.sleep(POLL_S)


def _stop(process: subprocess.Popen[bytes]) -> None:
    # An interrupt, unlike SIGTERM, does not wait for a load balancer to look away.
    process.send_signal(signal.SIGINT)
    try:
        process.wait(STOP_S)
    finally:
        # Also when a second Ctrl-C cuts the wait short.
        process.kill()
        process.wait()


def _free_port() -> int:
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        port: int = listener.getsockname()[1]
        return port
