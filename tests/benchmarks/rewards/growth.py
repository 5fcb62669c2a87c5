"""How the cost of an item grows with the batch, the frames and the words."""

from dataclasses import replace
from functools import partial

from tests.benchmarks.rewards.report import Report
from tests.benchmarks.rewards.rounds import Figure, Rounds, Turn
from tests.benchmarks.rewards.service import Service
from tests.benchmarks.rewards.ways import Shape, by_hand, library, over_http
from tests.benchmarks.rewards.workload import RECIPES, Maker, texts, track

GROUP = 8
SIZES = tuple(2**power for power in range(6, 16))
ITEMS_TIMED = 4096
FRAMES = (8, 32, 128, 512)
WORDS = (10, 100, 1_000, 10_000)
# The baseline's table of edits takes a minute for texts of 10,000 words.
MOST_WORDS_BY_HAND = 1_000
ROUNDS = 3


def measure_sizes(report: Report, service: Service) -> None:
    """Time requests of 64 to 32,768 items, and see what memory the largest leave behind."""
    before = service.resident_mib()
    for size in SIZES:
        shape = Shape(size // GROUP, GROUP, quick=max(1, ITEMS_TIMED // size))
        # One way's caches are not the other's, so that both may see the same steps.
        unseen = (shape.steps(shape.quick) for _ in range(ROUNDS))
        rounds = Rounds.take(
            {
                "library": Turn(library, steps),
                "http": Turn(over_http(service), steps, core=1),
            }
            for steps in unseen
        )
        report.add(f"library_us_per_item_of_{size}", rounds.cpu_us("library"))
        report.add(f"http_us_per_item_of_{size}", rounds.wall_us("http"))
    report.add("resident_mib_before_large_batches", Figure.of([before]))
    report.add("resident_mib_after_large_batches", Figure.of([service.resident_mib()]))


def measure_lengths(report: Report) -> None:
    """Time tracks of 8 to 512 frames, and texts of 10 to 10,000 words."""
    for frames in FRAMES:
        rounds = _time("tracking", partial(track, frames=frames), against_baseline=True)
        _add(report, f"tracking_of_{frames}_frames", rounds)
    for words in WORDS:
        feasible = words <= MOST_WORDS_BY_HAND
        for kind in ("ocr", "open_ended"):
            rounds = _time(kind, partial(texts, words=words), against_baseline=feasible)
            _add(report, f"{kind}_of_{words}_words", rounds)


def _time(kind: str, make: Maker, *, against_baseline: bool) -> Rounds:
    recipe = next(recipe for recipe in RECIPES if recipe.kind == kind)
    shape = Shape(2, GROUP, recipes=(replace(recipe, make=make),))
    baseline = {"baseline": lambda: Turn(by_hand, shape.steps(1))} if against_baseline else {}
    ways = baseline | {"library": lambda: Turn(library, shape.steps(shape.quick))}
    return Rounds.take({name: turn() for name, turn in ways.items()} for _ in range(ROUNDS))


def _add(report: Report, name: str, rounds: Rounds) -> None:
    if "baseline" in rounds.spent[0]:
        report.add(f"baseline_over_library_{name}", rounds.cpu_ratio("baseline", "library"))
    report.add(f"library_us_per_item_{name}", rounds.cpu_us("library"))
