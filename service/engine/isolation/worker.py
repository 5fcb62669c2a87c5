"""The process that judges what may hang: one template, forked for every worker.

The template imports and warms everything once, so a worker that was killed is replaced in
milliseconds. Workers hold no secrets, write no files, speak JSON lines on one socket, and die
with their parent.

Not covered: a worker can read files, /proc of the service among them, and open sockets as its user
can; run the service in a container without credentials.
"""

import contextlib
import ctypes
import json
import os
import resource
import signal
import socket
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from rewards.errors import RewardError, ScorerFailed
from rewards.registry import KINDS, Lane, lookup, prepare_truth
from rewards.score import Score
from rewards.specs import Spec

SET_PARENT_DEATH_SIGNAL = 1
REPLACE_ME = b"\0"


def serve_template(control: socket.socket, memory_bytes: int) -> None:
    """Fork a worker for every socket that arrives on `control`; end when it closes."""
    _warm_up()
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    signal.signal(signal.SIGCHLD, signal.SIG_IGN)
    control.sendall(REPLACE_ME)
    while True:
        message, fds, _, _ = socket.recv_fds(control, 1, 1)
        if not message:
            return
        pid = os.fork()
        if pid == 0:
            control.close()
            _enter_sandbox(memory_bytes)
            serve_worker(socket.socket(fileno=fds[0]))
            os._exit(0)
        os.close(fds[0])
        control.sendall(pid.to_bytes(4, "big"))


def serve_worker(channel: socket.socket) -> None:
    """Judge every case that arrives on `channel`, one JSON line each, in order."""
    with channel, channel.makefile("rb") as lines:
        spec = Spec()
        for line in lines:
            request = json.loads(line)
            if "spec" in request:
                spec = Spec(**request["spec"])
                continue
            for reply in judge_case(request, spec):
                reply["cpu_s"] = time.process_time()
                channel.sendall(json.dumps(reply).encode() + b"\n")


def judge_case(case: dict[str, Any], spec: Spec) -> Iterator[dict[str, Any]]:
    """Yield that the truth was read, then the score or what stood in its way."""
    kind = lookup(case["kind"], case["media"])
    try:
        prepare_truth(kind, case["truth"])
        truth = kind.read_truth(case["truth"])
        yield {"truth": True}
        score = kind.judge(kind.shape.read(case["answer"], spec.answers == "strict"), truth, spec)
    except RewardError as error:
        yield {"bad_truth": str(error)}
    except MemoryError:
        yield {"memory": True}
    except Exception as error:  # noqa: BLE001 - the boundary of this case: the worker goes on
        yield {"defect": str(ScorerFailed.of(error))}
    else:
        yield {"score": _as_json(score)}


def _as_json(score: Score) -> dict[str, Any]:
    return {
        "value": score.value,
        "parts": dict(score.parts),
        "reason": score.reason,
        "scorer": score.scorer,
    }


def _warm_up() -> None:
    for kind in KINDS:
        if kind.lane is Lane.ISOLATED:
            kind.judge("x+1", "1+x", Spec())


def _enter_sandbox(memory_bytes: int) -> None:
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(SET_PARENT_DEATH_SIGNAL, signal.SIGKILL)
        # Should memory run out all the same, this process goes first.
        with contextlib.suppress(OSError):
            Path("/proc/self/oom_score_adj").write_text("1000")
    resource.setrlimit(resource.RLIMIT_AS, (memory_bytes, memory_bytes))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    resource.setrlimit(resource.RLIMIT_FSIZE, (0, 0))


if __name__ == "__main__":
    serve_template(socket.socket(fileno=int(sys.argv[1])), int(sys.argv[2]))
