"""Tests for `service.telemetry.usage`."""

from prometheus_client import CollectorRegistry, generate_latest

from service.telemetry.usage import UsageCollector


def test_totals_and_levels_are_read_anew_for_every_scrape():
    """Totals end in `_total`, levels do not, and an address becomes a label."""
    usage = {"batches": 2.0, "waiting_items": 3.0, "breaker_open/a:1": 1.0, "breaker_open/b:2": 0.0}
    registry = CollectorRegistry()
    registry.register(UsageCollector("similarity", lambda: usage))
    lines = generate_latest(registry).decode().splitlines()
    assert 'reward_similarity_batches_total{address=""} 2.0' in lines
    assert 'reward_similarity_waiting_items{address=""} 3.0' in lines
    assert 'reward_similarity_breaker_open{address="a:1"} 1.0' in lines
    assert 'reward_similarity_breaker_open{address="b:2"} 0.0' in lines
    usage["batches"] = 5.0
    assert b'reward_similarity_batches_total{address=""} 5.0' in generate_latest(registry)
