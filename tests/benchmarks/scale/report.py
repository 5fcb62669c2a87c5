"""docs/scale.md and its picture: tables by the simulation, between the words of the page."""

from collections.abc import Iterable
from dataclasses import fields

from service.settings import Settings
from tests.benchmarks.scale.costs import Costs
from tests.benchmarks.scale.fleet import (
    BUSY,
    Job,
    limits,
    replicas_for,
    simulate,
)
from tests.house.readme import PART, table
from tests.house.source import ROOT

PAGE, PICTURE = ROOT / "docs/scale.md", ROOT / "docs/scale.png"
SIZES = {1: 24_000.0, 100: 2400.0, 10_000: 240.0}
"""Numbers of jobs, and for how many seconds each of them is simulated."""

CROWD, SHARES = 10_000, (0.4, 0.6, 0.75, 0.85, 0.95)
LASTS_S = 180.0
FLEETS, LOADS = (1, 4, 16), (0.01, 0.03, 0.1, 0.3, 0.5, 0.7, 0.8, 0.9, 0.97, 1.05)


def seconds(value: float) -> str:
    """A time, to two figures.

    >>> seconds(0.0482), seconds(0.000035), seconds(2.345)
    ('48 ms', '35 µs', '2.3 s')
    """
    for unit, factor in (("s", 1.0), ("ms", 1e3)):
        if value * factor >= 1:
            return f"{figures(value * factor)} {unit}"
    return f"{figures(value * 1e6)} µs"


def size(value: float) -> str:
    """A number of bytes, to two figures.

    >>> size(22_300_000), size(4.2e9), size(1610)
    ('22 MB', '4.2 GB', '1.6 kB')
    """
    for unit, factor in (("TB", 1e12), ("GB", 1e9), ("MB", 1e6), ("kB", 1e3)):
        if value >= factor:
            return f"{figures(value / factor)} {unit}"
    return f"{figures(value)} B"


def figures(value: float) -> str:
    """A number to two figures, whole above ten.

    >>> figures(0.123), figures(2.345), figures(48.2), figures(12345)
    ('0.12', '2.3', '48', '12,000')
    """
    rounded = float(f"{value:.2g}")
    return f"{rounded:,.0f}" if rounded >= 10 else f"{rounded:.2g}"


def costs_table(costs: Costs) -> str:
    """What was measured."""
    told = {
        "request_s": ("a request to `/reward`, whatever is in it", seconds),
        "item_s": ("each item of it, mixed kinds in groups of 8", seconds),
        "step_s": ("a step of 1,024 rollouts and 8 tasks at `/advantage`", seconds),
        "store_s": ("Redis for that step", seconds),
        "disk_s": ("its disk, until the step is on it", seconds),
        "item_bytes": ("an item on the wire", size),
        "result_bytes": ("its result", size),
        "rollout_answer_bytes": ("a rollout in an answer that Redis keeps", size),
        "record_bytes": ("a step's record in Redis", size),
    }
    assert set(told) == {field.name for field in fields(costs)} - {"conditions"}
    rows = [(what, show(getattr(costs, name))) for name, (what, show) in told.items()]
    return f"{table(('what', 'cost'), rows)}\n\nMeasured on {costs.conditions}."


def sizes_table(costs: Costs) -> str:
    """What each number of jobs needs and how long it waits."""
    job, settings = Job(), Settings.read({})
    kept = job.kept_bytes(costs, answers=settings.answer_steps, records=settings.record_steps)
    columns = [_needs(costs, jobs, kept) for jobs in SIZES]
    names = list(columns[0])
    rows = [(name, *(column[name] for column in columns)) for name in names]
    return table(("jobs", *(f"{jobs:,}" for jobs in SIZES)), rows)


def _needs(costs: Costs, jobs: int, kept: float) -> dict[str, str]:
    job = Job()
    replicas = replicas_for(costs, jobs)
    found = simulate(costs, jobs, replicas, lasts_s=SIZES[jobs])
    per_s = jobs / job.pause_s
    return {
        "items a second": figures(job.rollouts * per_s),
        "cores busy with them": figures(per_s * job.core_s(costs)),
        f"replicas at most {BUSY:.0%} busy": f"{replicas:,}",
        "a step's rewards and advantages, p50": seconds(found.p50_s),
        "the same, p99": seconds(found.p99_s),
        "share of the job's time, p99": f"{found.p99_s / job.pause_s:.1%}",
        "Redis and its disk, busy": f"{found.store_busy:.1%}",
        "Redis memory at default retention": size(jobs * kept),
        "text on the wire, a second": size(per_s * job.wire_bytes(costs)),
        "tokens a second for POLAR": figures(jobs * job.tokens_s()),
    }


def crowd_table(costs: Costs) -> str:
    """How the wait of the largest size grows with how busy its replicas are."""
    fleets = dict.fromkeys(replicas_for(costs, CROWD, busy=share) for share in SHARES)
    found = {f"{one}": simulate(costs, CROWD, one, lasts_s=SIZES[CROWD]) for one in fleets}
    usual = replicas_for(costs, CROWD)
    burst = simulate(costs, CROWD, usual, lasts_s=0, together=True)
    rows = [
        (name, f"{one.replicas_busy:.0%}", seconds(one.p50_s), seconds(one.p99_s), f"{one.longest}")
        for name, one in found.items()
    ]
    waits = (seconds(burst.p50_s), seconds(burst.p99_s), f"{burst.longest:,}")
    rows.append((f"{usual}, and all jobs at one moment", "", *waits))
    return table(("replicas", "busy", "p50", "p99", "longest queue of one, requests"), rows)


def limits_table(costs: Costs) -> str:
    """What is full first."""
    rows = [(what, figures(jobs)) for what, jobs in limits(costs).items()]
    return table(("what", "is full at so many jobs"), rows)


def draw(costs: Costs) -> None:
    """The wait of a step by the number of jobs, for some fleets, up to where each breaks."""
    import matplotlib as mpl

    mpl.use("agg")
    from matplotlib import pyplot as plt

    figure, axes = plt.subplots(figsize=(7, 4), layout="constrained")
    for replicas in FLEETS:
        full = replicas * Job().pause_s / Job().core_s(costs)
        counts = [round(full * load) for load in LOADS]
        found = [simulate(costs, jobs, replicas, lasts_s=LASTS_S) for jobs in counts]
        label = f"{replicas} replica{'s' * (replicas > 1)}"
        (line,) = axes.plot(counts, [one.p99_s for one in found], marker=".", label=label)
        axes.plot(counts, [one.p50_s for one in found], ":", color=line.get_color())
    what, jobs = next(iter(limits(costs).items()))
    axes.axvline(jobs, color="grey", linewidth=1)
    axes.annotate(what, (jobs, 0.98), xycoords=("data", "axes fraction"), rotation=90, va="top",
                  ha="right", fontsize=7, color="grey")  # fmt: skip
    axes.set(xscale="log", yscale="log", xlabel="training jobs", ylabel="s until a step is in hand")
    axes.legend(title="p99, and p50 dotted")
    axes.grid(alpha=0.3)
    figure.savefig(PICTURE, dpi=100)
    plt.close(figure)


PARTS = {
    "costs": costs_table,
    "sizes": sizes_table,
    "crowd": crowd_table,
    "limits": limits_table,
}


def renew(text: str, costs: Costs, names: Iterable[str] = tuple(PARTS)) -> str:
    """The page with some of its tables made anew."""
    return PART.sub(
        lambda part: (
            f"{part[1]}{PARTS[part['name']](costs)}\n{part[3]}"
            if part["name"] in names
            else part[0]
        ),
        text,
    )
