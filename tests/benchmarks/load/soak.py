"""Half an hour of mixed work: what the service holds at its end is what it held after warming up.

Run as `python -m tests.benchmarks.load.soak [MINUTES]`. Rewards of several kinds, poison, steps
on a real Redis, callers that leave and requests that are refused come at a steady pace; every few
seconds memory, file descriptors, threads and zombies are counted, and Redis' memory.
"""

import asyncio
import json
import sys
import tempfile
import time
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from http import HTTPStatus
from pathlib import Path

import orjson

from tests.benchmarks.load.arrivals import Arrivals
from tests.benchmarks.load.storm import storm
from tests.benchmarks.load.watch import MIB, Holding, holding
from tests.e2e.running import Running, running
from tests.redis_server import RedisServer

OUTPUT = Path("build/bench/soak.json")
# Whatever is made on first use and kept, such as tables of SymPy's, is there after two minutes.
MINUTES, WARM_UP_SHARE, WARM_UP_MINUTES = 30.0, 0.2, 2.0
REWARDS_PER_S, STEPS_PER_S = 20.0, 10.0
ROUND_S, LEAVING = 10.0, 20
LARGEST_SLOPE_MIB = 1.0
# Every run goes on and on, and keeps so little of its past that all of them are at rest within
# half a minute: what Redis holds after that is flat only if what is past is forgotten.
RUNS, RECORDS, ANSWERS = 8, 16, 8
REPEATED_EVERY = 4
LEAST_TAKEN_SHARE, REDIS_ROOM_MIB = 0.9, 0.5


@dataclass(frozen=True, slots=True)
class Sample:
    """What was held at one instant, in minutes since the start, after how many steps."""

    minute: float
    service: Holding
    redis_mib: float
    steps: int


def rewards(number: int) -> bytes:
    """A batch of several kinds: good, bad, unreadable, now and then one that has to be killed."""
    answers = [
        {"kind": "ocr", "response": f"<answer>word {number} {at}</answer>", "ground_truth": "word"}
        for at in range(16)
    ]
    answers.append({"kind": "tracking", "response": "none", "ground_truth": "none"})
    root = f"$\\sqrt{{{number}}}$"
    answers.append({"kind": "math", "response": f"<answer>{root}</answer>", "ground_truth": "1"})
    if number % 200 == 0:
        answers.append({"kind": "math", "response": f"<answer>9**9**9**{number}</answer>",
                        "ground_truth": "1"})  # fmt: skip
    return orjson.dumps({"items": answers, "run": f"r{number}"})


def step(number: int) -> bytes:
    """The next step of one of the runs; each fourth request of a run repeats the one before."""
    run, place = number % RUNS, number // RUNS
    place -= place % REPEATED_EVERY == REPEATED_EVERY - 1
    rewards = [((place * 7 + at) % 10) / 10 for at in range(64)]
    groups, tasks = [f"p{at // 8}" for at in range(64)], [f"t{at // 32}" for at in range(64)]
    return orjson.dumps(
        {"run": f"run-{run}", "step": place, "rewards": rewards, "groups": groups, "tasks": tasks}
    )


def slope(samples: Sequence[Sample]) -> float:
    """How much the service grows, in MiB a minute, by least squares."""
    times = [sample.minute for sample in samples]
    sizes = [sample.service.rss_mib for sample in samples]
    middle, mean = sum(times) / len(times), sum(sizes) / len(sizes)
    spread = sum((at - middle) ** 2 for at in times)
    return sum((t - middle) * (s - mean) for t, s in zip(times, sizes, strict=True)) / spread


def redis_mib(redis: RedisServer) -> float:
    """What Redis says it uses."""
    [line] = [row for row in redis.ask_all("INFO", "memory").split("\r\n") if "used_memory:" in row]
    return int(line.partition(":")[2]) / MIB


async def soak(service: Running, redis: RedisServer, minutes: float) -> list[Sample]:
    """Work for so long, in rounds; look at what is held after each."""
    begun, samples, steps = time.monotonic(), [], 0
    asked = Arrivals(f"{service.url}/reward", rewards)
    taken = Arrivals(f"{service.url}/advantage", step)
    while True:
        await asyncio.gather(
            asked.open_loop(per_s=REWARDS_PER_S, seconds=ROUND_S),
            taken.open_loop(per_s=STEPS_PER_S, seconds=ROUND_S),
            asyncio.to_thread(storm, service.port, LEAVING, rewards(1)),
        )
        minute = (time.monotonic() - begun) / 60
        steps += sum(answer.status == HTTPStatus.OK for answer in taken.done)
        held = holding(service.process.pid)
        samples.append(Sample(minute, held, redis_mib(redis), steps))
        strange = {a.status for a in asked.done + taken.done} - {200, 409, 429}
        if strange:
            raise SystemExit(f"expected 200, 409 or 429; got {strange}")
        asked.done.clear()
        taken.done.clear()
        if minute >= minutes:
            return samples


def broken(samples: Sequence[Sample], settled: Sequence[Sample]) -> list[str]:
    """What is not flat."""
    first, last = settled[0], settled[-1]
    found = []
    if slope(settled) >= LARGEST_SLOPE_MIB:
        found.append(f"memory grows by {slope(settled):.2f} MiB a minute")
    if (
        last.service.fds > first.service.fds + 10
        or last.service.threads > first.service.threads + 8
    ):
        found.append(f"files or threads grow: {first.service} -> {last.service}")
    if any(sample.service.zombies > 1 for sample in samples):
        found.append("zombies")
    if last.redis_mib > 1.05 * first.redis_mib + REDIS_ROOM_MIB:
        found.append(f"Redis grows: {first.redis_mib:.2f} -> {last.redis_mib:.2f} MiB")
    sent = len(samples) * ROUND_S * STEPS_PER_S
    if last.steps < LEAST_TAKEN_SHARE * sent:
        found.append(f"of {sent:.0f} steps only {last.steps} were taken")
    return found


def main() -> None:
    """Soak, write what was seen, and fail where something is not flat."""
    minutes = float(sys.argv[1]) if len(sys.argv) > 1 else MINUTES
    with tempfile.TemporaryDirectory() as folder:
        redis = RedisServer(Path(folder)).start()
        try:
            kept = ("--record-steps", str(RECORDS), "--answer-steps", str(ANSWERS))
            with running("--store", redis.url, "--worker-cpu-s", "1", *kept) as service:
                samples = asyncio.run(soak(service, redis, minutes))
        finally:
            redis.kill()
    warm_after = max(WARM_UP_SHARE * minutes, WARM_UP_MINUTES)
    settled = [sample for sample in samples if sample.minute >= warm_after]
    told = {"slope_mib_per_minute": slope(settled), "samples": [asdict(one) for one in samples]}
    OUTPUT.parent.mkdir(parents=True, exist_ok=True)
    OUTPUT.write_text(json.dumps(told, indent=1) + "\n", encoding="utf-8")
    first, last = settled[0], settled[-1]
    sys.stdout.write(f"{first}\n{last}\nslope {slope(settled):+.3f} MiB a minute\n")
    if found := broken(samples, settled):
        raise SystemExit("\n".join(found))


if __name__ == "__main__":
    main()
