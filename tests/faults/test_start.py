"""A service that cannot start says why, and soon."""

import socket
import subprocess
import sys
import time

import pytest

pytestmark = pytest.mark.slow

COMMAND = (sys.executable, "-m", "service.cli", "serve", "--port", "0", "--store", "memory:")


@pytest.fixture(scope="module")
def silent():
    """A store that accepts connections and says nothing."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        yield f"redis://127.0.0.1:{listener.getsockname()[1]}/0"


@pytest.mark.promise(50)
@pytest.mark.parametrize(
    ("options", "complaint"),
    [
        (["--spec", "mine"], "spec: unknown spec 'mine'; known: onethinker-released"),
        (["--host", "203.0.113.1"], "cannot listen on 203.0.113.1:0: Cannot assign"),
        (["--store", "redis://127.0.0.1:1/0"], "the Redis store cannot be used: Error 111"),
        (["--store", "{silent}", "--store-timeout-s", "60"], "the Redis store cannot be used: "),
        (["--keys", "no-such.jsonl"], "keys file no-such.jsonl: No such file or directory"),
        (["--polar", "no-such-model"], "polar: no-such-model: no such folder"),
    ],
)
def test_a_start_up_failure_is_one_line(options, complaint, silent, faults):
    """What keeps the service from starting is said in one line, with a status that is not 0."""
    begun = time.monotonic()
    done = subprocess.run(
        [*COMMAND, *(option.format(silent=silent) for option in options)],
        capture_output=True,
        text=True,
        check=False,
        timeout=120,
    )
    assert time.monotonic() - begun < faults.start_s
    assert done.returncode == 1
    assert done.stderr.startswith(f"reward-service: {complaint}")
    assert len(done.stderr.splitlines()) == 1
