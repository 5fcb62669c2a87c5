"""Tests for `service.telemetry.histogram`."""

from hypothesis import given
from hypothesis import strategies as st
from prometheus_client import CollectorRegistry, Histogram

from service.telemetry.histogram import BatchHistogram

BOUNDS = (0.0, 0.5, 1.0, 4.0)
numbers = st.lists(st.floats(-5, 5) | st.sampled_from(BOUNDS))


@given(st.lists(st.tuples(st.sampled_from("ab"), numbers), max_size=5))
def test_a_batch_at_once_is_the_same_as_one_by_one(batches):
    """Sample for sample what the library's own histogram says, but for the rounding of the sum."""
    ours, theirs = CollectorRegistry(), CollectorRegistry()
    fast = BatchHistogram("it", "It.", "task", bounds=BOUNDS, registry=ours)
    plain = Histogram("it", "It.", ("task",), buckets=BOUNDS, registry=theirs)
    for label, values in batches:
        fast.observe(label, values)
        child = plain.labels(label)
        for value in values:
            child.observe(value)

    def told(registry):
        [family] = registry.collect()
        return {
            (sample.name, *sorted(sample.labels.items())): round(sample.value, 9)
            for sample in family.samples
            if not sample.name.endswith("_created")
        }

    assert told(ours) == told(theirs)
