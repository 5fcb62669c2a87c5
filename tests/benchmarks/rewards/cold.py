"""The first step of a fresh process: `python -m tests.benchmarks.rewards.cold library 7`."""

import sys

from tests.benchmarks.rewards import ways
from tests.benchmarks.rewards.rounds import Turn
from tests.benchmarks.rewards.steps import MIXED


def main(way: str, seed: int) -> None:
    """Write the seconds of processor time that the first step takes."""
    step = MIXED[""].step(seed)
    spent = Turn(getattr(ways, way), [step]).take()
    sys.stdout.write(str(spent.cpu_s * len(step)))


if __name__ == "__main__":
    main(sys.argv[1], int(sys.argv[2]))
