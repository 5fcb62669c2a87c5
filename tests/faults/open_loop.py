"""Callers in processes of their own, whose calls fall due at a fixed pace whatever becomes of them.

`python -m tests.faults.open_loop rewards|advantages URL PER_S NAME` calls until its standard input
ends, and prints a line of JSON for each call that fell due.
"""

import logging
import math
import sys
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from functools import partial

import orjson
import urllib3

from tests.faults.load import body_of
from trainer_client.client import RewardClient
from trainer_client.config import ClientConfig
from trainer_client.errors import ClientError

RUNS = 5
AT_ONCE = 64
TIMEOUT_S = 60.0

Call = Callable[[int], dict[str, object]]


def due_times(per_s: float, stopped: threading.Event) -> Iterator[tuple[int, float]]:
    """Wait for each call's time; give its number and that time."""
    began, number = time.monotonic(), 0
    while not stopped.wait(max(0.0, began + number / per_s - time.monotonic())):
        yield number, began + number / per_s
        number += 1


def record(call: Call, number: int, due: float) -> None:
    """Make a call, and print what became of it and how long after its time that was."""
    told = call(number)
    say({"s": time.monotonic() - due, **told})


def say(told: dict[str, object]) -> None:
    """Print a line whole, whoever else prints."""
    sys.stdout.buffer.write(orjson.dumps(told) + b"\n")


def ask_rewards(http: urllib3.PoolManager, url: str, number: int) -> dict[str, object]:
    """One batch, sent once: an overlap that is known, and a formula for a worker process."""
    end = 2 + number % 7
    items = [
        {
            "kind": "temporal_grounding",
            "response": f'<think>t</think><answer>{{"time": [0, {end}]}}</answer>',
            "ground_truth": '{"time": [0, 10]}',
        },
        {
            "kind": "math",
            "response": f"<think>t</think><answer>\\frac{{{2 * number}}}{{2}}</answer>",
            "ground_truth": str(number),
        },
    ]
    try:
        answer = http.request("POST", f"{url}/reward", body=orjson.dumps({"items": items}))
    except urllib3.exceptions.HTTPError as error:
        return {"fault": repr(error)}
    if answer.status != 200:
        return {"fault": f"{answer.status}: {answer.data!r}"}
    given = [result["reward"] for result in answer.json()["results"]]
    right = math.isclose(given[0], 0.9 * end / 10 + 0.6) and given[1] == 1.5
    return {"fault": None if right else f"expected other rewards, got {given}"}


def take_step(client: RewardClient, run: str, step: int) -> dict[str, object]:
    """One step, sent again until it is answered."""
    call: dict[str, object] = {"run": run, "step": step}
    try:
        answer = client.advantage(**orjson.loads(body_of(run, step)))
    except ClientError as error:
        return {**call, "fault": repr(error)}
    means = {task: state.mean for task, state in answer.tasks.items()}
    return {**call, "fault": None, "version": answer.state_version, "means": means}


def call_for_rewards(url: str, per_s: float, stopped: threading.Event) -> None:
    """Ask for rewards; a slow answer keeps no later call waiting."""
    http = urllib3.PoolManager(retries=False, timeout=TIMEOUT_S, maxsize=AT_ONCE)
    with http, ThreadPoolExecutor(AT_ONCE) as pool:
        for number, due in due_times(per_s, stopped):
            pool.submit(record, partial(ask_rewards, http, url), number, due)


def take_steps(url: str, per_s: float, stopped: threading.Event, run: str) -> None:
    """Take the steps of a run, each after the one before, none earlier than its time."""
    with RewardClient(ClientConfig(url=url, budget_s=TIMEOUT_S)) as client:
        for step, due in due_times(per_s, stopped):
            record(partial(take_step, client, run), step, due)


class Retries(logging.Handler):
    """Counts how often the client sent something again."""

    count = 0

    def emit(self, _: logging.LogRecord) -> None:
        """Count one."""
        self.count += 1


def main(what: str, url: str, per_s: float, name: str) -> None:
    """Call until there is nothing more to read; last of all, say how often calls were repeated."""
    logging.getLogger("trainer_client.client").addHandler(retries := Retries())
    stopped = threading.Event()
    if what == "rewards":
        callers = [threading.Thread(target=call_for_rewards, args=(url, per_s, stopped))]
    else:
        callers = [
            threading.Thread(target=take_steps, args=(url, per_s / RUNS, stopped, f"{name}-{run}"))
            for run in range(RUNS)
        ]
    for caller in callers:
        caller.start()
    sys.stdin.read()
    stopped.set()
    for caller in callers:
        caller.join()
    say({"repeated": retries.count})


if __name__ == "__main__":
    main(sys.argv[1], sys.argv[2], float(sys.argv[3]), sys.argv[4])
