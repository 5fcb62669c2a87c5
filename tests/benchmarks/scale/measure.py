"""`python -m tests.benchmarks.scale.measure`: what an item and a step cost, into measured.json.

Processor seconds, not those of the clock, so that other work on the machine does little harm; the
disk's part of a step is the median time of putting as many bytes on it.
"""

import json
import os
import platform
import re
import statistics
import tempfile
import time
from contextlib import contextmanager
from pathlib import Path

import psutil

from tests.benchmarks.bench_advantage import Disk, body_of, take
from tests.benchmarks.rewards.service import serving
from tests.benchmarks.rewards.workload import make_step, to_wire
from tests.benchmarks.scale.costs import MEASURED, ROLLOUTS
from tests.faults.replicas import Replica
from tests.redis_server import RedisServer

SMALL, LARGE = 8, 512
WARM_UP, STEPS = 2, 8
ANSWER_STEPS, RECORD_STEPS = 50, 250


def measure_items():
    """Processor seconds of a request and of each item in it, and the bytes of an item.

    Small and large requests of steps that were never seen before: two points of a line.
    """
    seeds = iter(range(10_000))
    cost = {}
    with serving([0], workers="1") as service:
        for size in (SMALL, LARGE, SMALL, LARGE):
            bodies = [
                to_wire(step[at : at + size])
                for step in (make_step(next(seeds)) for _ in range(WARM_UP + STEPS))
                for at in range(0, len(step), size)
            ]
            warm = len(bodies) * WARM_UP // (WARM_UP + STEPS)
            for body in bodies[:warm]:
                service.send(body)
            before = service.cpu_s()
            answers = [service.send(body) for body in bodies[warm:]]
            cost.setdefault(size, []).append((service.cpu_s() - before) / (len(bodies) - warm))
    small, large = (min(cost[size]) for size in (SMALL, LARGE))
    item_s = (large - small) / (LARGE - SMALL)
    return {
        "item_s": item_s,
        "request_s": max(0.0, small - SMALL * item_s),
        "item_bytes": len(bodies[-1]) / LARGE,
        "result_bytes": len(answers[-1]) / LARGE,
    }


@contextmanager
def kept(folder):
    """A replica that keeps few answers, and its Redis."""
    redis = RedisServer(folder).start()
    settings = {"store": redis.url, "update_log": None, "answer_steps": str(ANSWER_STEPS)}
    replica = Replica(folder, settings).start()
    try:
        yield replica.wait(), redis
    finally:
        replica.kill()
        redis.kill()


def measure_steps(folder):
    """Seconds of the service, of Redis and of its disk for a step, and the bytes that it leaves."""
    with kept(folder) as (replica, redis):
        service, store = psutil.Process(replica.process.pid), psutil.Process(redis.process.pid)
        answer = take(replica, body_of(0, ROLLOUTS))
        disk = Disk(folder, len(answer))
        spent = [sum(part.cpu_times()[:2]) for part in (service, store)]
        memory, seconds = [used(redis)], []
        for step in range(1, 1 + RECORD_STEPS):
            take(replica, body_of(step, ROLLOUTS))
            began = time.perf_counter()
            disk.put()
            seconds.append(time.perf_counter() - began)
            if step in {ANSWER_STEPS, RECORD_STEPS}:
                memory.append(used(redis))
        disk.close()
        spent = [
            (sum(part.cpu_times()[:2]) - before) / RECORD_STEPS
            for part, before in zip((service, store), spent, strict=True)
        ]
    record = (memory[2] - memory[1]) / (RECORD_STEPS - ANSWER_STEPS)
    return {
        "step_s": spent[0],
        "store_s": spent[1],
        "disk_s": statistics.median(seconds),
        "rollout_answer_bytes": ((memory[1] - memory[0]) / ANSWER_STEPS - record) / ROLLOUTS,
        "record_bytes": record,
    }


def used(redis):
    """Bytes of memory that Redis says its data take."""
    return int(re.search(r"used_memory:(\d+)", redis.ask_all("INFO", "memory"))[1])


def main():
    """Measure and write."""
    load = os.getloadavg()[0]
    with tempfile.TemporaryDirectory() as folder:
        found = {**measure_items(), **measure_steps(Path(folder))}
    found = {name: float(f"{value:.3g}") for name, value in found.items()}
    conditions = (
        f"{platform.machine()}, {os.cpu_count()} shared cores, no GPU,"
        f" Python {platform.python_version()}, load {load:.1f} before"
    )
    MEASURED.write_text(json.dumps({"conditions": conditions, **found}, indent=1) + "\n")


if __name__ == "__main__":
    main()
