"""The benchmark of mask rewards, at the size of the tests: what it asserts holds."""

import asyncio

import numpy as np
import pytest
from skimage import data

from tests.benchmarks.bench_sam2 import Bench, configured, measure
from tests.rewards.backends.sam2.scenes import pan


@pytest.mark.parametrize(
    ("pixels", "group"),
    [(np.stack([data.coins()] * 3, axis=-1), 4), (pan(2), 2)],
    ids=["image", "clip"],
)
def test_both_ways_draw_the_same_and_ours_embeds_each_frame_once(pixels, group):
    """The naive way embeds it for every rollout."""
    cost = asyncio.run(measure(Bench(configured("test"), "cpu", 1), pixels, group))
    frames = len(pixels) if pixels.ndim == 4 else 1
    assert (cost.naive_encodes, cost.encodes) == (frames * group, frames)
    assert min(cost.naive_s, cost.cold_s, cost.warm_s) > 0
