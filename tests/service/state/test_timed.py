"""Tests for `service.state.timed`."""

import inspect
from contextlib import contextmanager

import pytest

from service.errors import StateUnavailable
from service.state.memory import MemoryStore
from service.state.store import RunStore
from service.state.timed import TimedStore
from service.telemetry.metrics import Metrics
from service.telemetry.stages import Stages

pytestmark = pytest.mark.anyio
OPERATIONS = {name for name in vars(RunStore) if not name.startswith("_")} - {"close"}


class Echo:
    """A store that answers every question with the question."""

    def __getattr__(self, name):
        async def answer(*positional, **named):
            return name, [*positional, *named.values()]

        return answer


@pytest.mark.parametrize("operation", sorted(OPERATIONS))
async def test_whatever_a_store_is_asked_for_is_timed_under_its_name(operation):
    """Every operation of the port passes the timer once, and the store gets what was asked."""
    timed = []

    @contextmanager
    def timer(name):
        yield timed.append(name)

    asked = list(inspect.signature(getattr(RunStore, operation)).parameters)[1:]
    answer = await getattr(TimedStore(Echo(), timer), operation)(**{name: name for name in asked})
    assert timed == [operation]
    assert answer in (None, (operation, asked))


async def test_a_failure_of_the_store_is_counted():
    """A store that does not answer shows in the metrics and is not hidden from the caller."""

    class Away(MemoryStore):
        async def ping(self):
            raise StateUnavailable("gone")

    metrics = Metrics(version="0")
    store = TimedStore(Away(), Stages(metrics).store)
    with pytest.raises(StateUnavailable):
        await store.ping()
    failures = {"operation": "ping"}
    assert metrics.registry.get_sample_value("reward_store_failures_total", failures) == 1
    assert metrics.registry.get_sample_value("reward_store_duration_seconds_count", failures) == 1
