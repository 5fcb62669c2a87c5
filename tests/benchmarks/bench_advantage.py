"""How long a step takes over HTTP, by store: memory, SQLite, Redis with every write on disk.

Run as `python -m tests.benchmarks.bench_advantage`. One service process for each store answers
the same steps of 64 to 8,192 rewards of 8 tasks, in turns, so that all see the same machine;
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
from collections.abc import Callable, Iterator
from contextlib import ExitStack, closing, contextmanager
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
GROUP, TASKS, WARM_UP = 8, 8, 10
# How many steps are timed, by how many rewards a step has; the promise is about the middle one.
ROUNDS = {64: 100, 1024: 200, 8192: 30}
PROMISED = 1024


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


def columns_of(step: int, rewards: int) -> dict[str, list]:
    """The rollouts of a step."""
    source = random.Random(step)
    return {
        "rewards": [round(source.gauss(0.7, 0.4), 4) for _ in range(rewards)],
        "groups": [f"prompt-{i // GROUP}" for i in range(rewards)],
        "tasks": [f"task-{i // GROUP % TASKS}" for i in range(rewards)],
    }


def timed(work: Callable[[], object]) -> float:
    """How many seconds it takes."""
    began = time.perf_counter()
    work()
    return time.perf_counter() - began


def measure_pure(rewards: int) -> Times:
    """The library alone."""
    seconds, state = [], {}
    for step in range(WARM_UP + ROUNDS[rewards]):
        rollouts = Rollouts(**columns_of(step, rewards))
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


def body_of(step: int, rewards: int) -> bytes:
    """The request for a step, of a run that has steps of that size only."""
    return orjson.dumps({"run": f"bench-{rewards}", "step": step, **columns_of(step, rewards)})


def take(replica: Replica, body: bytes) -> bytes:
    """Send a step, which must be taken."""
    answer = replica.send("POST", "/advantage", body=body)
    assert answer.status == 200
    return answer.data


@contextmanager
def serving(folder: Path) -> Iterator[dict[str, Replica]]:
    """A service for each store."""
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
        yield replicas


def measure(folder: Path, replicas: dict[str, Replica], rewards: int) -> dict[str, Times]:
    """The library, then each store and the disk in turns, for steps of one size."""
    with closing(Disk(folder, len(take(replicas["memory"], body_of(0, rewards))))) as disk:
        seconds = {name: [] for name in (*replicas, "fsync")}
        for step in range(1, 1 + WARM_UP + ROUNDS[rewards]):
            body = body_of(step, rewards)
            for name, replica in replicas.items():
                seconds[name].append(timed(lambda r=replica, b=body: take(r, b)))
            seconds["fsync"].append(timed(disk.put))
    times = {name: Times.of(values[WARM_UP:]) for name, values in seconds.items()}
    return {"library": measure_pure(rewards), **times}


def judge(times: dict[str, Times]) -> dict[str, bool]:
    """Whether each durable store stays within twice memory's median plus one fsync."""
    bound = 2 * times["memory"].p50 + times["fsync"].p50
    return {name: times[name].p50 <= bound for name in ("sqlite", "redis")}


def show(times: dict[int, dict[str, Times]], within: dict[str, bool], load: float) -> None:
    """Print the table."""
    sizes = [f"{size} rewards: p50, p99 ms" for size in times]
    table = Table("", *sizes, "within 2 x memory + fsync")
    for name in times[PROMISED]:
        verdict = {True: "yes", False: "NO"}.get(within.get(name), "")
        table.add_row(
            name, *(f"{of[name].p50:.2f}, {of[name].p99:.2f}" for of in times.values()), verdict
        )
    Console().print(f"{TASKS} tasks; load {load:.1f}", table)


def main() -> None:
    """Measure, print and write."""
    load = os.getloadavg()[0]
    with tempfile.TemporaryDirectory() as name, serving(folder := Path(name)) as replicas:
        times = {rewards: measure(folder, replicas, rewards) for rewards in ROUNDS}
    within = judge(times[PROMISED])
    show(times, within, load)
    report = {
        "tasks": TASKS,
        "rounds": ROUNDS,
        "milliseconds": {
            size: {name: asdict(of) for name, of in row.items()} for size, row in times.items()
        },
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
