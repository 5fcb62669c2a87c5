"""Tests for `service.telemetry.usage`."""

import asyncio
from contextlib import asynccontextmanager

import pytest
from prometheus_client import CollectorRegistry, generate_latest

from rewards.backends.polar_transformers.model import PolarTransformers
from rewards.backends.ray_serve.address import RayAddress
from rewards.backends.ray_serve.masks import RaySam2
from rewards.backends.ray_serve.similarity import RayPolar
from service.access.file import KeyFile
from service.access.keys import new_key
from service.engine.admission import Admission, Capacity
from service.engine.cache import VerdictCache
from service.engine.isolation.cases import IsolationLimits
from service.engine.isolation.pool import IsolatedPool
from service.telemetry.usage import LEVELS, TOTALS, UsageCollector, family_of
from tests.polar_checkpoints import RandomPolar
from tests.remote_polar import ITEMS, polar
from tests.rewards.backends.sam2.scenes import PROMPTS, picture
from tests.service.engine.mask_bench import FILM, LEFT, LEFT_BOX, filmed, opened

CAPACITY = Capacity(waiting_items=1, active_items=1)


def scrape(part, usage):
    """A registry in which a part tells its usage."""
    registry = CollectorRegistry()
    registry.register(UsageCollector(part, lambda: usage))
    return registry


def test_totals_and_levels_are_read_anew_for_every_scrape():
    """Totals end in `_total`, levels do not, and an address becomes a label where there is one."""
    usage = {"batches": 2.0, "waiting_items": 3.0, "breaker_open/a:1": 1.0, "breaker_open/b:2": 0.0}
    registry = scrape("similarity", usage)
    lines = generate_latest(registry).decode().splitlines()
    assert "reward_similarity_batches_total 2.0" in lines
    assert "reward_similarity_waiting_items 3.0" in lines
    assert 'reward_similarity_breaker_open{address="a:1"} 1.0' in lines
    assert 'reward_similarity_breaker_open{address="b:2"} 0.0' in lines
    usage["batches"] = 5.0
    assert b"reward_similarity_batches_total 5.0" in generate_latest(registry)


def test_a_part_may_tell_of_itself_and_of_addresses():
    """One family has the same label throughout, empty for what has no address."""
    lines = generate_latest(scrape("masks", {"calls": 2.0, "calls/a:1": 1.0})).decode().splitlines()
    assert 'reward_masks_calls_total{address=""} 2.0' in lines
    assert 'reward_masks_calls_total{address="a:1"} 1.0' in lines


def test_what_nobody_explained_is_not_shown():
    """A replica of another version may tell more; the scrape goes on without it."""
    assert generate_latest(scrape("similarity", {"new_things/a:1": 1.0})) == b""
    with pytest.raises(KeyError):
        family_of("similarity_new_things")


@asynccontextmanager
async def on_servers(_folder):
    """POLAR on a model server."""
    async with polar() as (model, _):
        await model.compare(ITEMS)
        yield model.usage()


@asynccontextmanager
async def in_process(folder):
    """POLAR in this process."""
    model = PolarTransformers(RandomPolar().write(folder))
    await model.start()
    await model.compare(ITEMS)
    yield model.usage()
    await model.close()


@asynccontextmanager
async def ray_polar(_folder):
    """POLAR on Ray, where there is no Ray."""
    model = RayPolar(RayAddress.read("ray://auto/polar"))
    await model.compare(ITEMS)
    yield model.usage()


@asynccontextmanager
async def ray_sam2(_folder):
    """SAM 2 on Ray, where there is no Ray."""
    model = RaySam2(RayAddress.read("ray://auto/sam2"))
    await model.segment_image(picture(), PROMPTS[:1])
    yield model.usage()


@asynccontextmanager
async def masks(folder):
    """The lane of masks, after a clip."""
    async with opened(folder) as bench:
        await bench.score([filmed(LEFT_BOX, LEFT, await bench.upload(FILM))])
        yield bench.lane.usage()


@asynccontextmanager
async def media(folder):
    """What was uploaded."""
    async with opened(folder) as bench:
        yield bench.library.usage()


@asynccontextmanager
async def keys(folder):
    """A file of keys."""
    path = folder / "keys.jsonl"
    path.write_text(new_key("first", ["reward"], ["*"])[1].line())
    yield KeyFile(path).usage()


@asynccontextmanager
async def admission(_folder):
    """What limits what is inside."""
    yield Admission(CAPACITY).usage()


@asynccontextmanager
async def isolated(_folder):
    """The workers."""
    yield IsolatedPool(IsolationLimits(workers=1)).usage()


@asynccontextmanager
async def cache(_folder):
    """The verdicts that are kept."""
    yield VerdictCache(100).usage()


@pytest.mark.parametrize(
    ("part", "telling", "most_telling"),
    [
        ("similarity", on_servers, "breaker_open/"),
        ("similarity", in_process, "computed_tokens"),
        ("similarity", ray_polar, "breaker_open/ray://auto/polar"),
        ("masks", ray_sam2, "breaker_open/ray://auto/sam2"),
        ("masks", masks, "frames_tracked"),
        ("media", media, "bytes"),
        ("keys", keys, "known"),
        ("admission", admission, "waiting_items"),
        ("isolated", isolated, "workers"),
        ("cache", cache, "hits"),
    ],
)
def test_what_a_part_tells_is_explained(tmp_path, part, telling, most_telling):
    """Whatever stands behind a part, each thing it tells is a level or a total by design."""

    async def main():
        async with telling(tmp_path) as usage:
            return dict(usage)

    usage = asyncio.run(main())
    assert any(key.startswith(most_telling) for key in usage)
    told = {f"{part}_{key.partition('/')[0]}" for key in usage}
    assert sorted(told - LEVELS.keys() - TOTALS.keys()) == []
