"""How fast POLAR scores groups: the plain padded loop against packed rows and shared prefixes.

Run as `python -m tests.benchmarks.bench_polar`. All ways score the same texts with the same
random weights in the same process, taking turns. The plain loop is what POLAR's README shows:
for each group one padded batch through transformers' own attention.
"""

import argparse
import json
import os
import platform
import random
import statistics
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass
from pathlib import Path

import torch
import transformers

from rewards.backends.polar_transformers.checkpoint import Shape
from rewards.backends.polar_transformers.lane import Lane, LaneOptions
from rewards.backends.polar_transformers.llama import RewardLlama
from rewards.backends.polar_transformers.packing import Passage, pack
from rewards.backends.polar_transformers.tokeniser import PolarTokeniser
from rewards.ports import Comparison
from tests.polar_checkpoints import RandomPolar, write_pieces

SIZES = {
    "tiny": RandomPolar(hidden=512, intermediate=1408, layers=8, kv_heads=4, positions=16_384),
    "1.8b": RandomPolar(
        heads=16,
        kv_heads=8,
        hidden=2048,
        intermediate=8192,
        layers=24,
        positions=32_768,
        vocabulary=92_544,
    ),
    "7b": RandomPolar(
        heads=32,
        kv_heads=8,
        hidden=4096,
        intermediate=14_336,
        layers=32,
        positions=32_768,
        vocabulary=92_544,
    ),
}
PROMPT, REFERENCE, OUTPUT = 200, 300, 300
GROUP = 8
OUT = Path("build/bench/polar.json")


@dataclass(frozen=True)
class Way:
    """One way to score all items: what it took, and what it computed for that."""

    name: str
    seconds: float
    items_per_s: float
    tokens_per_s: float
    computed_tokens: int
    share_of_peak: float


def main() -> None:
    """Measure the three ways and print and write what was found."""
    options = read_options()
    model, tokeniser = make_model(options)
    groups = make_groups(tokeniser, options.groups)
    lanes = {
        share: Lane(model, groups[0][0], LaneOptions(options.batch_tokens, share_prefixes=share))
        for share in (False, True)
    }
    ways: dict[str, Callable[[], list[float]]] = {
        "plain padded loop": lambda: [s for group in groups for s in model.score_padded(group)],
        "packed": lambda: through(lanes[False], groups),
        "packed, prefixes shared": lambda: through(lanes[True], groups),
    }
    computed = {
        "plain padded loop": sum(GROUP * max(len(p.tokens) for p in g) for g in groups),
        "packed": count(groups, share=False),
        "packed, prefixes shared": count(groups, share=True),
    }
    seconds, scores = take_turns(ways, options.rounds)
    peak = measure_peak(model)
    rows = [describe(n, seconds[n], groups, computed[n], peak, options) for n in ways]
    report(rows, scores, peak, options)
    for lane in lanes.values():
        lane.close()


def read_options() -> argparse.Namespace:
    """Read the command line."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--device", default="cpu")
    parser.add_argument("--dtype", default="auto", help="fp32, bf16, fp16 or auto")
    parser.add_argument("--size", default="tiny", choices=list(SIZES))
    parser.add_argument("--groups", type=int, default=2)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--batch-tokens", type=int, default=16_384)
    return parser.parse_args()


def make_model(options: argparse.Namespace) -> tuple[RewardLlama, PolarTokeniser]:
    """A model of random weights, made where it will run, and a small tokenizer."""
    polar = SIZES[options.size]
    model = RewardLlama(Shape.read(polar.config), device=options.device, dtype=options.dtype)

    def tensors() -> Iterator[tuple[str, torch.Tensor]]:
        torch.manual_seed(0)
        for name, size in polar.sizes().items():
            around = 1.0 if len(size) == 1 else 0.0
            yield name, torch.normal(around, 0.02, size, device=options.device)

    model.load(tensors())
    with tempfile.TemporaryDirectory() as folder:
        write_pieces(Path(folder))
        return model, PolarTokeniser.read(Path(folder), positions=polar.positions)


def make_groups(tokeniser: PolarTokeniser, groups: int) -> list[list[Passage]]:
    """Groups of rollouts of random words, of the same lengths in tokens."""
    words = random.Random(0)

    def text(length: int) -> str:
        tokens = [words.randrange(300, 390) for _ in range(length)]
        return tokeniser.decode(tokeniser.encode(tokeniser.decode(tokens))[:length])

    made = []
    for _ in range(groups):
        prompt, reference = text(PROMPT), text(REFERENCE)
        items = [Comparison(prompt, reference, text(OUTPUT)) for _ in range(GROUP)]
        made.append([tokeniser.read_parts(i.prompt, i.reference, i.output) for i in items])
    return made


def through(lane: Lane, groups: list[list[Passage]]) -> list[float]:
    """Score everything through the lane, as the service does."""
    futures = lane.submit([passage for group in groups for passage in group])
    return [future.result() for future in futures]


def count(groups: list[list[Passage]], *, share: bool) -> int:
    """Tokens of the packed rows."""
    return sum(len(pack(group, share=share).tokens) for group in groups)


def take_turns(
    ways: dict[str, Callable[[], list[float]]], rounds: int
) -> tuple[dict[str, float], dict[str, list[float]]]:
    """The median seconds of each way, after one round that is not counted, and its scores."""
    scores = {name: way() for name, way in ways.items()}
    seconds: dict[str, list[float]] = {name: [] for name in ways}
    for _ in range(rounds):
        for name, way in ways.items():
            started = time.perf_counter()
            way()
            seconds[name].append(time.perf_counter() - started)
    return {name: statistics.median(times) for name, times in seconds.items()}, scores


def measure_peak(model: RewardLlama) -> float:
    """Operations per second of a large square matrix product in the model's dtype."""
    side = 8192 if model.device.type == "cuda" else 2048
    one = torch.randn(side, side, device=model.device).to(model.dtype)
    times = []
    for _ in range(8):
        started = time.perf_counter()
        float((one @ one)[0, 0])
        times.append(time.perf_counter() - started)
    return 2 * side**3 / statistics.median(times[2:])


def describe(
    name: str,
    seconds: float,
    groups: list[list[Passage]],
    computed: int,
    peak: float,
    options: argparse.Namespace,
) -> Way:
    """The row of one way; its operations are those of the matrix products of the layers."""
    polar = SIZES[options.size]
    weights = sum(
        size[0] * size[1] for n, size in polar.sizes().items() if len(size) > 1 and "layers" in n
    )
    passages = [passage for group in groups for passage in group]
    tokens = sum(len(passage.tokens) for passage in passages)
    return Way(
        name,
        seconds,
        len(passages) / seconds,
        tokens / seconds,
        computed,
        2 * weights * computed / seconds / peak,
    )


def report(
    ways: list[Way], scores: dict[str, list[float]], peak: float, options: argparse.Namespace
) -> None:
    """Print a table with its conditions, and write the same as JSON."""
    plain = scores["plain padded loop"]
    difference = max(
        abs(one - other)
        for found in scores.values()
        for one, other in zip(plain, found, strict=True)
    )
    where = torch.cuda.get_device_name() if options.device.startswith("cuda") else "CPU"
    conditions = {
        "device": f"{where}, {os.cpu_count()} cores, {platform.machine()}",
        "torch": torch.__version__,
        "transformers": transformers.__version__,
        "dtype": options.dtype,
        "size": options.size,
        "items": options.groups * GROUP,
        "tokens": {"prompt": PROMPT, "reference": REFERENCE, "output": OUTPUT},
        "peak_tflops": peak / 1e12,
    }
    found = {
        "readme_loop_over_ours_group8": ways[0].seconds / ways[2].seconds,
        "readme_loop_over_unshared": ways[0].seconds / ways[1].seconds,
        "max_score_difference": difference,
        "ways": [asdict(way) for way in ways],
        "conditions": conditions,
    }
    OUT.parent.mkdir(parents=True, exist_ok=True)
    OUT.write_text(json.dumps(found, indent=2) + "\n")
    lines = [json.dumps(conditions)]
    lines.append(
        f"{'way':26}{'seconds':>9}{'items/s':>9}{'tokens/s':>10}{'computed':>10}{'of peak':>9}"
    )
    lines += [
        f"{way.name:26}{way.seconds:9.2f}{way.items_per_s:9.1f}{way.tokens_per_s:10.0f}"
        f"{way.computed_tokens:10}{way.share_of_peak:9.1%}"
        for way in ways
    ]
    lines.append(
        f"plain loop over ours at group {GROUP}: {found['readme_loop_over_ours_group8']:.2f}"
    )
    lines.append(f"largest difference of a score: {difference:.1e}")
    sys.stdout.write("\n".join(lines) + "\n")


if __name__ == "__main__":
    main()
