"""A mask lane over real media, with a network that draws the box it is given."""

import hashlib
import json
from contextlib import asynccontextmanager

import numpy as np

from rewards.backends.sam2.model import Sam2MaskModel
from rewards.maths.masks import mask_overlap
from rewards.pipeline import Memo, conclude, open_item, prepare
from rewards.sample import Media, Sample
from rewards.specs import ONETHINKER_RELEASED
from service.engine.masks import Look, MaskLane
from service.engine.turns import Turns
from service.media.library import MediaLibrary
from service.media.limits import MediaLimits
from service.media.pool import DecodePool
from service.media.store import MediaStore
from tests import coins
from tests.real_media import coins as coins_file
from tests.real_media import ramp, video
from tests.rewards.backends.sam2.plain_network import SIDE, PlainNetwork

PICTURE, FILM = coins_file(), video(ramp(20, height=64, width=64))
MASKS = coins.masks()
LEFT = {"size": [64, 64], "counts": [0, 64 * 32, 64 * 32]}
LEFT_BOX = {"boxes": [0, 0, 500, 1000], "positive_points": [], "negative_points": []}


class Bench:
    """A mask lane, its network, and what was uploaded to it."""

    def __init__(self, folder, px, library):
        self.network = PlainNetwork()
        self.library = library(
            MediaStore(folder, max_bytes=10**8, max_file_bytes=10**8),
            DecodePool(MediaLimits(), workers=1),
        )
        self.model = Sam2MaskModel(lambda: self.network, name="plain", cache_bytes=10**8)
        self.lane = MaskLane(self.model, self.library, Turns(px))

    async def upload(self, content):
        """Take content in, as a PUT does."""

        async def whole():
            yield content

        digest = hashlib.sha256(content).hexdigest()
        await self.library.put(digest, whole())
        return digest

    async def score(self, samples, *, owner="", deadline=None):
        """Judge under the released spec."""
        spec = ONETHINKER_RELEASED
        items = [prepare(open_item(sample, spec, Memo()), spec) for sample in samples]
        looks = [Look(item, sample.media) for item, sample in zip(items, samples, strict=True)]
        outcomes = await self.lane.judge(looks, ONETHINKER_RELEASED, owner=owner, deadline=deadline)
        return [
            conclude(item, outcome, ONETHINKER_RELEASED)
            for item, outcome in zip(items, outcomes, strict=True)
        ]


@asynccontextmanager
async def opened(folder, *, px=10**9, library=MediaLibrary):
    """Start a bench whose network has done nothing yet."""
    bench = Bench(folder, px, library)
    await bench.library.start()
    await bench.lane.start()
    bench.network.encoded.clear()
    bench.network.decoded.clear()
    try:
        yield bench
    finally:
        await bench.lane.close()
        await bench.library.close()


def about(mask, digest, **changes):
    """Make a sample about one coin."""
    shift = changes.pop("shift", 0.0)
    return Sample(
        "mask",
        coins.response(mask, shift=shift),
        changes.pop("truth", coins.truth(mask)),
        "image",
        media=Media(image=digest),
        **changes,
    )


def filmed(answer, truth, digest, **media):
    """Make a sample about a clip."""
    response = f"<think>a</think><answer>{json.dumps(answer)}</answer>"
    return Sample("mask", response, truth, "video", media=Media(video=digest, **media))


def drawn_iou(mask, shift=0.0):
    """Work out what the network's box earns, from the box alone."""
    height, width = mask.shape
    box = np.array(coins.box_of(mask)) + shift
    x1, y1, x2, y2 = np.round(np.clip(box, 0, 1000) * SIDE / 1000).astype(int)
    small = np.zeros((SIDE, SIDE))
    small[y1:y2, x1:x2] = 1.0
    rows = (np.arange(height) + 0.5) * SIDE / height - 0.5
    columns = (np.arange(width) + 0.5) * SIDE / width - 0.5
    return mask_overlap(bilinear(2 * small - 1, rows, columns) > 0, mask).iou


def bilinear(values, rows, columns):
    """Sample a grid at fractional places, holding its edges."""
    rows, columns = np.clip(rows, 0, SIDE - 1), np.clip(columns, 0, SIDE - 1)
    top, left = np.floor(rows).astype(int), np.floor(columns).astype(int)
    bottom, right = np.minimum(top + 1, SIDE - 1), np.minimum(left + 1, SIDE - 1)
    down, across = (rows - top)[:, None], (columns - left)[None, :]
    upper = values[top][:, left] * (1 - across) + values[top][:, right] * across
    lower = values[bottom][:, left] * (1 - across) + values[bottom][:, right] * across
    return upper * (1 - down) + lower * down
