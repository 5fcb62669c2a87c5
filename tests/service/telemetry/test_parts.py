"""Tests for `service.telemetry.parts`."""

from prometheus_client import CollectorRegistry, generate_latest

from rewards.ports import Health
from service.telemetry.parts import PartsCollector


def test_parts_are_asked_anew_for_every_scrape():
    """Readiness of every part, and the silence of those that are asked all the time."""
    health = {"rules": Health(ready=True), "store": Health(False, "gone", heard_at=90.0)}
    registry = CollectorRegistry()
    registry.register(PartsCollector(lambda: health, clock=lambda: 100.0))
    lines = generate_latest(registry).decode().splitlines()
    assert 'reward_part_ready{part="rules"} 1.0' in lines
    assert 'reward_part_ready{part="store"} 0.0' in lines
    assert [line for line in lines if line.startswith("reward_part_silence_seconds")] == [
        'reward_part_silence_seconds{part="store"} 10.0'
    ]
    health["store"] = Health(ready=True, heard_at=100.0)
    assert b'reward_part_ready{part="store"} 1.0' in generate_latest(registry)
    assert b'reward_part_silence_seconds{part="store"} 0.0' in generate_latest(registry)
