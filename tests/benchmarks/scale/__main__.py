"""`python -m tests.benchmarks.scale`: simulate, and write docs/scale.md and its picture."""

from tests.benchmarks.scale.costs import Costs
from tests.benchmarks.scale.report import PAGE, draw, renew

if __name__ == "__main__":
    measured = Costs.read()
    PAGE.write_text(renew(PAGE.read_text(encoding="utf-8"), measured), encoding="utf-8")
    draw(measured)
