"""What Ray costs and what a second replica brings: POLAR in process and on one and two replicas.

Run as `python -m tests.benchmarks.bench_ray`. Every replica computes on one processor, and so
does the model in process; with two processors, whoever asks shares them with two replicas.
"""

import asyncio
import itertools
import json
import os
import platform
import sys
import tempfile
import time
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import torch

from rewards.backends.polar_transformers.model import PolarTransformers
from rewards.backends.ray_serve.address import RayAddress
from rewards.backends.ray_serve.similarity import RayPolar
from rewards.ports import Comparison, SimilarityModel
from tests.polar_checkpoints import RandomPolar
from tests.ray_cluster import RayCluster, small_config

SIZE = RandomPolar(hidden=256, intermediate=704, layers=8, kv_heads=4, positions=4096)
GROUPS, GROUP = 32, 8
SECONDS = 8.0
CALLS_AT_ONCE = 4
PATIENCE_S = 120.0
OUT = Path("build/bench/ray.json")
NUMBERS = itertools.count()


def batch() -> list[Comparison]:
    """Groups of rollouts that nobody has asked for before."""
    return [
        Comparison(f"question {number} " + "a b c d " * 20, "two plus two is four " * 10, text)
        for number in itertools.islice(NUMBERS, GROUPS)
        for text in (f"there are {rollout} letters " * 10 for rollout in range(GROUP))
    ]


async def items_per_s(model: SimilarityModel) -> float:
    """Items scored in a second, a few batches under way at any time."""
    await model.compare(batch())
    started = time.monotonic()
    done = 0

    async def keep_asking() -> None:
        nonlocal done
        while time.monotonic() < started + SECONDS:
            scores = await model.compare(batch())
            done += sum(isinstance(one, float) for one in scores)

    await asyncio.gather(*(keep_asking() for _ in range(CALLS_AT_ONCE)))
    return done / (time.monotonic() - started)


async def call_ms(model: SimilarityModel) -> float:
    """How long one small item takes, by the fastest of many."""
    took = []
    for _ in range(100):
        started = time.monotonic()
        await model.compare([Comparison("a", "b", str(next(NUMBERS)))])
        took.append(time.monotonic() - started)
    return min(took) * 1e3


async def measured(
    model: SimilarityModel, measure: Callable[[SimilarityModel], Awaitable[float]], replicas: int
) -> float:
    """Start a model, wait for its replicas, and measure it."""
    await model.start()
    try:
        end = time.monotonic() + PATIENCE_S
        while not model.health().ready or model.health().reason:
            assert time.monotonic() < end, model.health()
            await asyncio.sleep(0.1)
        found = await measure(model)
        answered = {key.partition("/")[2] for key in model.usage() if key.startswith("items/")}
        assert len(answered) == replicas, answered
        return found
    finally:
        await model.close()


def on_ray(cluster: RayCluster, folder: Path, found: dict[str, Any]) -> None:
    """Measure one replica, then two."""
    near = RayAddress.read("ray://auto/polar")
    far = RayAddress.read(f"ray://127.0.0.1:{cluster.client_port}/polar")
    for replicas in (1, 2):
        args = {"polar": {"polar": str(folder / "polar")}}
        cluster.deploy(small_config(folder, args, num_replicas=replicas))
        # Serve takes a moment to note that it wants another one.
        time.sleep(5)
        found[f"items_per_s_{replicas}"] = asyncio.run(
            measured(RayPolar(near), items_per_s, replicas)
        )
        if replicas == 1:
            for name, address in (("node", near), ("client", far)):
                found[f"call_ms_{name}"] = asyncio.run(measured(RayPolar(address), call_ms, 1))


def main() -> None:
    """Measure, print and write."""
    torch.set_num_threads(1)
    found: dict[str, Any] = {}
    cluster = RayCluster()
    os.environ.update(cluster.variables)
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        local = PolarTransformers(SIZE.write(folder / "polar"))
        found["items_per_s_in_process"] = asyncio.run(measured(local, items_per_s, 0))
        local = PolarTransformers(folder / "polar")
        found["call_ms_in_process"] = asyncio.run(measured(local, call_ms, 0))
        try:
            cluster.start(nodes=2)
            on_ray(cluster, folder, found)
        finally:
            cluster.kill()
    found["two_replicas_over_one"] = found["items_per_s_2"] / found["items_per_s_1"]
    found["conditions"] = f"CPU, {os.cpu_count()} cores, {platform.machine()}, {SIZE.layers} layers"
    OUT.parent.mkdir(parents=True, exist_ok=True)
    OUT.write_text(json.dumps(found, indent=2) + "\n")
    sys.stdout.write(json.dumps(found, indent=2) + "\n")


if __name__ == "__main__":
    main()
