"""Tests for `rewards.backends.ray_serve.link` where there is no Ray to speak to."""

import asyncio
import time

import pytest

from rewards.backends.ray_serve.address import RayAddress
from rewards.backends.ray_serve.link import LinkOptions
from rewards.backends.ray_serve.masks import RaySam2
from rewards.backends.ray_serve.similarity import RayPolar
from rewards.errors import ModelFailed
from rewards.ports import Comparison
from tests.ray_cluster import drivers
from tests.remote_polar import until
from tests.rewards.backends.sam2.scenes import PROMPTS, clip, picture

QUICK = LinkOptions(pause_s=0.01)
ITEMS = [Comparison("a", "b", "c"), Comparison("d", "e", "f")]


@pytest.fixture(autouse=True)
def _no_cluster(tmp_path, monkeypatch):
    """This machine is a node of nothing, as far as the test can see."""
    monkeypatch.setenv("RAY_TMPDIR", str(tmp_path))
    monkeypatch.delenv("RAY_ADDRESS", raising=False)


def test_before_the_start_and_after_the_end_nothing_is_scored():
    """Every item is sent back with a reason, and may be sent again."""

    async def main():
        model = RayPolar(RayAddress.read("ray://auto/polar"))
        early, before = await model.compare(ITEMS), model.health()
        await model.close()
        return early, before, await model.compare(ITEMS), model.health()

    early, before, late, after = asyncio.run(main())
    assert [str(one) for one in early] == ["the model has not been started"] * 2
    assert [str(one) for one in late] == ["the model was shut down"] * 2
    assert all(one.retryable for one in early + late)
    assert not before.ready
    assert not after.ready


@pytest.mark.slow
def test_where_ray_is_away_that_is_what_is_said():
    """A start without Ray is a start; items come back at once, and nothing is left at the end."""

    async def main():
        polar, sam2 = (
            model(RayAddress.read(f"ray://auto/{app}"), QUICK)
            for model, app in ((RayPolar, "polar"), (RaySam2, "sam2"))
        )
        started = time.monotonic()
        await asyncio.gather(polar.start(), sam2.start())
        health = polar.health(), sam2.health()
        deadline = time.monotonic() + 60
        outcomes = [
            *await polar.compare(ITEMS, deadline=deadline),
            *await sam2.segment_image(picture(), PROMPTS[:1], deadline=deadline),
            *await sam2.track_clip(clip(), PROMPTS[:1], [0], deadline=deadline),
        ]
        away = polar.usage()["breaker_open/ray://auto/polar"]
        await asyncio.gather(polar.close(), sam2.close())
        assert await until(lambda: not drivers())
        return started, health, outcomes, away

    started, health, outcomes, away = asyncio.run(main())
    for one in health:
        assert not one.ready
        assert one.heard_at > started
        assert one.reason.startswith("Ray is away: ConnectionError")
    assert {type(one) for one in outcomes} == {ModelFailed}
    assert all("Ray is away" in str(one) for one in outcomes)
    assert away == 1.0
