"""The soak asks for work that would grow, and says what does."""

from dataclasses import replace

import orjson

from tests.benchmarks.load.soak import (
    ANSWERS,
    RECORDS,
    REPEATED_EVERY,
    ROUND_S,
    RUNS,
    STEPS_PER_S,
    Sample,
    broken,
    step,
)
from tests.benchmarks.load.watch import Holding

SAMPLES = [
    Sample(at, Holding(400.0, 18, 20, 0), 2.0, int((at + 1) * ROUND_S * STEPS_PER_S))
    for at in range(10)
]


def test_runs_go_on_for_as_long_as_the_soak():
    """Steps only rise, past all that is kept; now and then one is sent again as it was."""
    sent = [step(number) for number in range(50 * RUNS)]
    of_one = [body for body in map(orjson.loads, sent) if body["run"] == "run-3"]
    steps = [body["step"] for body in of_one]
    assert steps == sorted(steps)
    assert len(set(steps)) == len(of_one) * (REPEATED_EVERY - 1) // REPEATED_EVERY + 1
    assert len(set(sent)) == RUNS * len(set(steps))
    assert len(set(steps)) > RECORDS > ANSWERS


def test_what_grows_is_named():
    """Memory, files, what Redis holds, and steps that were not taken."""
    assert broken(SAMPLES, SAMPLES) == []
    grown = {
        "Redis grows: 2.00 -> 2.61 MiB": {"redis_mib": 2.61},
        "of 1000 steps only 899 were taken": {"steps": 899},
        "zombies": {"service": Holding(400.0, 18, 20, 2)},
    }
    for complaint, change in grown.items():
        samples = [*SAMPLES[:-1], replace(SAMPLES[-1], **change)]
        assert broken(samples, samples) == [complaint]
