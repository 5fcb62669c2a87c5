"""`python -m tests.benchmarks.rewards`: how fast rewards are, against the straightforward way."""

import logging
import os
import time
from pathlib import Path

from rich.console import Console

from tests.benchmarks.rewards.growth import measure_lengths, measure_sizes
from tests.benchmarks.rewards.report import Report
from tests.benchmarks.rewards.service import serving
from tests.benchmarks.rewards.steps import measure_cold, measure_kinds, measure_mixed
from tests.benchmarks.rewards.traffic import (
    measure_clients,
    measure_fairness,
    measure_presence,
    measure_workers,
)

OUTPUT = Path("build/bench/rewards.json")


def main() -> None:
    """Take every measurement, print the table and write the file."""
    logging.getLogger("math_verify").setLevel(logging.ERROR)
    console, began = Console(), time.monotonic()
    report = Report(say=console.log)
    console.log(f"load {os.getloadavg()[0]:.1f} on {os.cpu_count()} processors")
    with serving([0], workers="1") as service:
        measure_mixed(report, service)
        measure_clients(report, service)
        measure_fairness(report, service)
        measure_sizes(report, service)
    measure_kinds(report)
    measure_lengths(report)
    measure_workers(report)
    measure_cold(report)
    measure_presence(report)
    report.write(OUTPUT)
    report.show(console)
    missed = ", ".join(report.missed()) or "none"
    console.print(f"missed targets: {missed}; {time.monotonic() - began:.0f} s; {OUTPUT}")


if __name__ == "__main__":
    main()
