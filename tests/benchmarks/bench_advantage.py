"""How long a step takes over HTTP, by store: memory, SQLite, Redis with every write on disk.

Run as `python -m tests.benchmarks.bench_advantage`. One service process for each store answers
the same steps of 1,024 rewards and 8 tasks, in turns, so that all of them see the same machine;
between the turns the same folder is asked how long it takes to put as many bytes on disk.
"""

import json
import os
import platform
import random
import sqlite3
import statistics
import tempfile
import time
from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import asdict, dataclass
from pathlib import Path

import orjson
from rich.console import Console
from rich.table import Table

from rewards.advantages.rollouts import Rollouts
from rewards.advantages.step import take_step
from rewards.specs import ONETHINKER_RELEASED
from tests.faults.replicas import Replica
from tests.redis_server import RedisServer

OUTPUT = Path("build/bench/advantage.json")
REWARDS, GROUP, TASKS = 1024, 8, 8
WARM_UP, ROUNDS = 20, 300


@dataclass(frozen=True, slots=True)
class Times:
    """Milliseconds."""

    p50: float
    p99: float

    @classmethod
    def of(cls, seconds: list[float]) -> "Times":
        """Sum up measurements."""
        ordered = sorted(seconds)
        return cls(
            round(1000 * statistics.median(ordered), 3),
            round(1000 * ordered[int(0.99 * (len(ordered) - 1))], 3),
        )


def columns_of(step: int) -> dict[str, list]:
    """The rollouts of a step."""
    source = random.Random(step)
    return {
        "rewards": [round(source.gauss(0.7, 0.4), 4) for _ in range(REWARDS)],
        "groups": [f"prompt-{i // GROUP}" for i in range(REWARDS)],
        "tasks": [f"task-{i // GROUP % TASKS}" for i in range(REWARDS)],
    }


def timed(work: Callable[[], object]) -> float:
    """How many seconds it takes."""
    began = time.perf_counter()
    work()
    return time.perf_counter() - began


def measure_pure() -> Times:
    """The library alone."""
    seconds, state = [], {}
    for step in range(ROUNDS):
        rollouts = Rollouts(**columns_of(step))
        began = time.perf_counter()
        state = take_step(rollouts, state, spec=ONETHINKER_RELEASED).state
        seconds.append(time.perf_counter() - began)
    return Times.of(seconds[WARM_UP:])


class Disk:
    """A file in the folder of the stores."""

    def __init__(self, folder: Path, size: int) -> None:
        self._file = (folder / "fsync").open("wb", buffering=0)
        self._content = os.urandom(size)

    def put(self) -> None:
        """Append as many bytes as a step stores, and wait until they are on disk."""
        self._file.write(self._content)
        os.fsync(self._file.fileno())

    def close(self) -> None:
        """Close the file."""
        self._file.close()


def body_of(step: int) -> bytes:
    """The request for a step."""
    return orjson.dumps({"run": "bench", "step": step, **columns_of(step)})


def take(replica: Replica, body: bytes) -> bytes:
    """Send a step, which must be taken."""
    answer = replica.send("POST", "/advantage", body=body)
    assert answer.status == 200
    return answer.data


def measure_stores(folder: Path) -> dict[str, Times]:
    """Each store and the disk, in turns."""
    with ExitStack() as stack:
        redis = RedisServer(folder)
        stack.callback(redis.kill)
        stores = {
            "memory": "memory:",
            "sqlite": f"sqlite:{folder / 'runs.db'}",
            "redis": redis.start().url,
        }
        replicas = {}
        for name, store in stores.items():
            replicas[name] = Replica(folder, {"store": store, "update_log": None}).start()
            stack.callback(replicas[name].kill)
        for replica in replicas.values():
            replica.wait()
        disk = Disk(folder, len(take(replicas["memory"], body_of(0))))
        stack.callback(disk.close)
        seconds = {name: [] for name in (*replicas, "fsync")}
        for body in map(body_of, range(1, WARM_UP + ROUNDS)):
            for name, replica in replicas.items():
                seconds[name].append(timed(lambda r=replica, b=body: take(r, b)))
            seconds["fsync"].append(timed(disk.put))
    return {name: Times.of(values[WARM_UP:]) for name, values in seconds.items()}


def judge(times: dict[str, Times]) -> dict[str, bool]:
    """Whether each durable store stays within twice memory's median plus one fsync."""
    bound = 2 * times["memory"].p50 + times["fsync"].p50
    return {name: times[name].p50 <= bound for name in ("sqlite", "redis")}


def main() -> None:
    """Measure, print and write."""
    load = os.getloadavg()[0]
    with tempfile.TemporaryDirectory() as folder:
        times = {"library": measure_pure(), **measure_stores(Path(folder))}
    within = judge(times)
    table = Table("", "p50 ms", "p99 ms", "within 2 x memory + fsync")
    for name, of in times.items():
        verdict = {True: "yes", False: "NO"}.get(within.get(name), "")
        table.add_row(name, f"{of.p50:.2f}", f"{of.p99:.2f}", verdict)
    Console().print(f"{REWARDS} rewards, {TASKS} tasks, {ROUNDS} steps; load {load:.1f}", table)
    report = {
        "rewards": REWARDS,
        "tasks": TASKS,
        "rounds": ROUNDS,
        "milliseconds": {name: asdict(of) for name, of in times.items()},
        "within_twice_memory_plus_fsync": within,
        "load_before": load,
        "processors": os.cpu_count(),
        "python": platform.python_version(),
        "sqlite": sqlite3.sqlite_version,
    }
    OUTPUT.parent.mkdir(parents=True, exist_ok=True)
    OUTPUT.write_text(json.dumps(report, indent=1) + "\n")


if __name__ == "__main__":
    main()
