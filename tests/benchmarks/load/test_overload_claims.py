"""What `make overload` measures is held against what is promised."""

from dataclasses import replace

import pytest

from tests.benchmarks.load.overload import Overload
from tests.benchmarks.load.watch import Holding

KEPT = Overload(
    offered=2640,
    statuses={200: 625, 429: 2015},
    without_retry_after=0,
    peak_per_s=10.0,
    offered_per_s=40.0,
    goodput_per_s=9.0,
    refused_p99_ms=50.0,
    # 21 batches at 10 a second, and a fifth more.
    scored_p99_ms=2520.0,
    most_waiting_items=256,
    probe_p99_ms={"/livez": 99.0},
    probes_refused=[],
    before=Holding(400.0, 18, 20, 0),
    after=Holding(464.0, 18, 20, 0),
)


def test_what_is_kept_is_not_complained_of():
    """Every number may be just as large as was promised."""
    assert KEPT.broken() == []


@pytest.mark.parametrize(
    ("change", "complaint"),
    [
        ({"statuses": {200: 625, 429: 2014, 503: 1}}, "only 200 and 429"),
        ({"without_retry_after": 1}, "Retry-After on every refusal"),
        ({"most_waiting_items": 257}, "at most 256 items wait"),
        ({"refused_p99_ms": 50.1}, "429 within 50 ms: 50.1 ms"),
        ({"scored_p99_ms": 2521.0}, "200 within 2520 ms: 2521 ms"),
        ({"goodput_per_s": 8.9}, "goodput of 90 % of the peak: 89%"),
        ({"after": Holding(465.0, 18, 20, 0)}, "memory within 64 MiB"),
        ({"probe_p99_ms": {"/readyz": 100.0}}, "probes within 100 ms"),
    ],
)
def test_what_is_not_kept_is_named(change, complaint):
    """One number that is worse is one complaint."""
    [told] = replace(KEPT, **change).broken()
    assert told.startswith(complaint)
