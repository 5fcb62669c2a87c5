"""`reward-service score` as a process: what a terminal may do to it."""

import json
import os
import signal
import subprocess
import sys
import time

from tests.e2e.running import descendants, is_running

HANGING = {"kind": "math", "response": "<answer>9**9**9**9</answer>", "ground_truth": "1"}


def test_ctrl_c_leaves_nothing_running(tmp_path):
    """Interrupted in the middle of a file, it ends without a traceback, and its workers with it."""
    file = tmp_path / "rows.jsonl"
    file.write_text("\n".join(json.dumps(HANGING | {"ground_truth": str(n)}) for n in range(9)))
    command = [sys.executable, "-m", "service.cli", "score", str(file)]
    with subprocess.Popen(
        command, stderr=subprocess.PIPE, text=True, start_new_session=True
    ) as process:
        while len(children := descendants(process.pid)) < 2:
            assert process.poll() is None
        os.killpg(process.pid, signal.SIGINT)
        assert process.wait(20) != 0
        assert "Traceback" not in process.stderr.read()
    # Killed with it, they may still be on their way out.
    limit = time.monotonic() + 10
    while any(map(is_running, children)):
        assert time.monotonic() < limit
        time.sleep(0.05)
