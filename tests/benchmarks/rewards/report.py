"""Every figure under one key, beside its target: a table for people, a flat file for programs."""

from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

import orjson
from rich.console import Console
from rich.table import Table

from tests.benchmarks.rewards.rounds import Figure


@dataclass(frozen=True, slots=True)
class Target:
    """What a figure should come to."""

    bound: float
    at_least: bool = True

    def is_met(self, value: float) -> bool:
        """Whether a value is on the right side."""
        return value >= self.bound if self.at_least else value <= self.bound

    def __str__(self) -> str:
        """As in a table."""
        return f"{'≥' if self.at_least else '≤'} {self.bound:g}"


TARGETS = {
    "baseline_over_library": Target(80),
    "baseline_over_http": Target(50),
    "baseline_over_http_distinct": Target(20),
    "http_over_floor": Target(10, at_least=False),
    "baseline_over_library_open_ended": Target(30),
    "baseline_over_library_multiple_choice": Target(200),
    "baseline_over_library_math": Target(8),
    "baseline_over_library_math_fresh": Target(8),
    "baseline_over_library_math_distinct": Target(3),
    "two_workers_over_one": Target(1.7),
    "small_request_p99_over_p50": Target(3, at_least=False),
    "livez_p99_ms": Target(100, at_least=False),
}
UNTOLD = Target(1)


@dataclass(slots=True)
class Report:
    """The figures so far, in the order they came; `say` tells how far it is."""

    say: Callable[[str], None]
    figures: dict[str, Figure] = field(default_factory=dict)

    def add(self, key: str, figure: Figure) -> None:
        """Keep a figure under a key of its own."""
        if key in self.figures:
            raise ValueError(f"two figures are called {key!r}")
        self.figures[key] = figure
        self.say(f"{key} = {figure.median:.4g}")

    def missed(self) -> list[str]:
        """The keys whose target was not met."""
        return [
            key
            for key, figure in self.figures.items()
            if (target := target_of(key)) and not target.is_met(figure.median)
        ]

    def flat(self) -> dict[str, float]:
        """Each key with its median, and under it the least and the most."""
        return {
            name: value
            for key, figure in self.figures.items()
            for name, value in (
                (key, figure.median),
                (f"{key}.least", figure.least),
                (f"{key}.most", figure.most),
            )
        }

    def write(self, path: Path) -> None:
        """Write the flat file."""
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(orjson.dumps(self.flat(), option=orjson.OPT_INDENT_2))

    def show(self, console: Console) -> None:
        """Print the table."""
        table = Table(title="Rewards: medians and their spread", title_justify="left")
        table.add_column("figure", no_wrap=True)
        for name in ("median", "least", "most", "target", ""):
            table.add_column(name, justify="right")
        for key, figure in self.figures.items():
            target = target_of(key)
            verdict = "" if target is None else "met" if target.is_met(figure.median) else "missed"
            shown = (f"{value:.4g}" for value in (figure.median, figure.least, figure.most))
            table.add_row(key, *shown, "" if target is None else str(target), verdict)
        console.print(table)


def target_of(key: str) -> Target | None:
    """The target of a figure: its own, or for any other ratio to the baseline not to lose.

    >>> str(target_of("baseline_over_http")), str(target_of("baseline_over_library_ocr"))
    ('≥ 50', '≥ 1')
    """
    return TARGETS.get(key) or (UNTOLD if key.startswith("baseline_over_") else None)
