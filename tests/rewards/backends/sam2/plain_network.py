"""A network without weights: it draws the prompt's box, where the frame is bright enough."""

import threading
import time

import torch

from rewards.backends.sam2.network import Decoded, Features

SIDE = 32


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
        self.step_s = 0.0
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

    def track(self, clip, prompt, keyframe):
        """Draw the box on every frame, shifted right by the distance to the keyframe."""
        order = [*range(keyframe, len(clip)), *range(keyframe - 1, -1, -1)]
        for index in order:
            self._step()
            self.tracked.append(index)
            self.began.set()
            yield index, torch.roll(self.decode(clip[index], prompt).logits, index - keyframe, -1)

    def _step(self):
        self.gate.wait(timeout=10)
        time.sleep(self.step_s)
        if self.failures:
            raise self.failures.pop()
