"""The page on scale says what was measured and what the simulation makes of it."""

from dataclasses import replace

from tests.benchmarks.scale.costs import Costs
from tests.benchmarks.scale.fleet import Job, limits, replicas_for, simulate
from tests.benchmarks.scale.report import PAGE, PARTS, renew
from tests.house.readme import PART

COSTS = Costs.read()


def test_the_page_is_up_to_date():
    """`make scale` would change no table that is quick to make."""
    text = PAGE.read_text(encoding="utf-8")
    assert sorted(part["name"] for part in PART.finditer(text)) == sorted(PARTS)
    assert renew(text, COSTS, ("costs", "limits")) == text


def test_a_lone_job_waits_for_its_own_work():
    """Without company a step takes what its calls cost, one after the other on one core."""
    found = simulate(COSTS, 1, 1, lasts_s=20_000)
    work = Job().core_s(COSTS) + Job().store_s(COSTS)
    assert 0.9 * work < found.p50_s < 1.1 * work


def test_the_same_seed_gives_the_same_waits():
    """The page does not change by chance."""
    assert simulate(COSTS, 50, 1, lasts_s=200) == simulate(COSTS, 50, 1, lasts_s=200)


def test_replicas_are_as_busy_as_they_were_meant_to_be():
    """So many replicas for so many jobs come to the share that was asked for."""
    slow = replace(COSTS, item_s=2e-3)
    replicas = replicas_for(slow, 200, busy=0.6)
    assert replicas > 5
    assert 0.5 < simulate(slow, 200, replicas, lasts_s=600).replicas_busy < 0.62


def test_what_costs_more_is_full_sooner():
    """The limits follow from the costs, each from its own, and stand in the order of breaking."""
    before, after = limits(COSTS), limits(replace(COSTS, item_s=2 * COSTS.item_s))
    assert list(before.values()) == sorted(before.values())
    assert {name for name in before if after[name] < before[name]} == {
        "one replica, 60% busy",
        "16 replicas, 60% busy",
    }
    lean = limits(replace(COSTS, record_bytes=COSTS.record_bytes / 2))
    assert {name.split(",")[0] for name in before if lean[name] > before[name]} == {
        "memory of the shipped Redis",
        "the same with `--answer-steps 16 --record-steps 1000`",
    }
