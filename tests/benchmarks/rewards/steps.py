"""The mixed step and every kind: the baseline, the library, the service, the floor."""

import subprocess
import sys
from collections.abc import Iterator, Mapping
from dataclasses import replace

from tests.benchmarks.rewards.report import Report
from tests.benchmarks.rewards.rounds import Figure, Rounds, Turn
from tests.benchmarks.rewards.service import Service, serving
from tests.benchmarks.rewards.ways import (
    Shape,
    by_hand,
    by_library,
    by_service,
    check_same,
    floor,
    library,
    over_http,
)
from tests.benchmarks.rewards.workload import RECIPES, fresh_formula

MIXED = {
    "": Shape(128, 8, rounds=5),
    "_groups_1": Shape(512, 1),
    "_groups_32": Shape(32, 32),
    "_distinct": Shape(1024, 1, quick=3, distinct=True),
}
MATH = next(recipe for recipe in RECIPES if recipe.kind == "math")
BY_KIND = {
    **{recipe.name.replace("/", "_"): Shape(16, 8, recipes=(recipe,)) for recipe in RECIPES},
    "math_fresh": Shape(16, 8, recipes=(replace(MATH, make=fresh_formula),)),
    **{
        f"{recipe.kind}_distinct": Shape(128, 1, recipes=(recipe,), distinct=True)
        for recipe in RECIPES
        if recipe.alone
    },
}
COLD_ROUNDS = 3


def measure_mixed(report: Report, service: Service) -> None:
    """Time the mixed step in groups of 8, 1 and 32, and with nothing shared."""
    for suffix, shape in MIXED.items():
        check_same(shape.steps(1)[0], by_library, by_service(service))
        rounds = Rounds.take(_mixed_turns(shape, service))
        report.add(f"baseline_over_library{suffix}", rounds.cpu_ratio("baseline", "library"))
        report.add(f"baseline_over_http{suffix}", rounds.wall_ratio("baseline", "http"))
        report.add(f"baseline_over_http_cpu{suffix}", rounds.cpu_ratio("baseline", "http"))
        report.add(f"http_over_floor{suffix}", rounds.wall_ratio("http", "floor"))
        for way in ("baseline", "library", "floor"):
            report.add(f"{way}_us_per_item{suffix}", rounds.cpu_us(way))
        report.add(f"http_us_per_item{suffix}", rounds.wall_us("http"))


def _mixed_turns(shape: Shape, service: Service) -> Iterator[Mapping[str, Turn]]:
    for _ in range(shape.rounds):
        yield {
            "baseline": Turn(by_hand, shape.steps(1)),
            "library": Turn(library, shape.steps(shape.quick)),
            "http": Turn(over_http(service), shape.steps(shape.quick), core=1, cpu=service.cpu_s),
            "floor": Turn(floor, shape.steps(shape.quick)),
        }


def measure_kinds(report: Report) -> None:
    """Time each kind alone, in the library."""
    for name, shape in BY_KIND.items():
        check_same(shape.steps(1)[0], by_library)
        rounds = Rounds.take(
            {
                "baseline": Turn(by_hand, shape.steps(1)),
                "library": Turn(library, shape.steps(shape.quick)),
            }
            for _ in range(shape.rounds)
        )
        report.add(f"baseline_over_library_{name}", rounds.cpu_ratio("baseline", "library"))
        report.add(f"library_us_per_item_{name}", rounds.cpu_us("library"))


def measure_cold(report: Report) -> None:
    """Time the first step that a process ever sees, once its imports are done."""
    baseline, own, http = [], [], []
    for seed in range(COLD_ROUNDS):
        baseline.append(_first_step("by_hand", seed))
        own.append(_first_step("library", seed))
        step = MIXED[""].step(seed)
        with serving([0]) as service:
            turn = Turn(over_http(service), [step], core=1)
            http.append(turn.take().wall_s * len(step))
    pairs = list(zip(baseline, own, http, strict=True))
    report.add("baseline_over_library_cold", Figure.of(slow / fast for slow, fast, _ in pairs))
    report.add("baseline_over_http_cold", Figure.of(slow / fast for slow, _, fast in pairs))


def _first_step(way: str, seed: int) -> float:
    command = [sys.executable, "-m", "tests.benchmarks.rewards.cold", way, str(seed)]
    return float(subprocess.run(command, check=True, capture_output=True, text=True).stdout)
