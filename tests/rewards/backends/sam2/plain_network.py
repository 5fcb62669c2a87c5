"""A network without weights, which draws the prompt's box, and a model over it."""

import asyncio
import threading
from contextlib import asynccontextmanager

import numpy as np
import torch

from rewards.backends.sam2.model import Sam2MaskModel
from rewards.backends.sam2.network import Decoded, Features
from rewards.ports import MaskPrompt

SIDE = 32
BOX = MaskPrompt((0, 0, 500, 500))
GREY = np.full((64, 64, 3), 128, dtype=np.uint8)
FILM = np.full((6, 64, 64, 3), 128, dtype=np.uint8)


class PlainNetwork:
    """Implements the network's protocol with arithmetic; counts calls, and fails when told."""

    def __init__(self):
        self.side_px = SIDE
        self.device = torch.device("cpu")
        self.dtype = torch.float32
        self.encoded = []
        self.decoded = []
        self.tracked = []
        self.failures = []
        self.estimate = None
        self.most_frames = 100
        self.before_step = lambda: None
        self.began = threading.Event()
        self.gate = threading.Event()
        self.gate.set()

    def encode(self, frames):
        """Keep the brightness of each frame."""
        self._step()
        if len(frames) > self.most_frames:
            raise torch.OutOfMemoryError("not enough memory for so many frames")
        self.encoded.append(len(frames))
        return [Features((frame.mean().view(1, 1, 1, 1),)) for frame in frames]

    def decode(self, features, prompts):  # noqa: ARG002 - it draws boxes on anything
        """Draw each box; the estimate of its IoU is its area."""
        self._step()
        self.decoded.append(prompts.points.shape[:2])
        logits = torch.full((len(prompts.points), 1, SIDE, SIDE), -1.0)
        for logit, points in zip(logits, prompts.points, strict=True):
            x1, y1, x2, y2 = points[:2].flatten().round().int().tolist()
            logit[0, y1:y2, x1:x2] = 1.0
        areas = (logits > 0).float().mean(dim=(1, 2, 3))
        return Decoded(logits, areas if self.estimate is None else areas * self.estimate)

    def track(self, clip, prompt, keyframe, reach):
        """Draw the box on every frame, shifted right by the distance to the keyframe."""
        order = [*range(keyframe, reach.stop), *range(keyframe - 1, reach.start - 1, -1)]
        for index in order:
            self._step()
            self.tracked.append(index)
            yield index, torch.roll(self.decode(clip[index], prompt).logits, index - keyframe, -1)

    def _step(self):
        self.began.set()
        assert self.gate.wait(timeout=60)
        self.before_step()
        if self.failures:
            raise self.failures.pop()


@asynccontextmanager
async def started(network, **options):
    """Start a model over `network` and forget what its warm-up did."""
    model = Sam2MaskModel(lambda: network, name="test", cache_bytes=2**28, **options)
    await model.start()
    if isinstance(network, PlainNetwork):
        network.encoded.clear()
        network.decoded.clear()
    yield model
    await model.close()


async def all_waiting():
    """Let every call go on until it waits for the device."""
    for _ in range(100):
        await asyncio.sleep(0)


def box(index):
    """Return one of many different boxes."""
    return MaskPrompt((0, 0, 100 + 50 * index, 500))
