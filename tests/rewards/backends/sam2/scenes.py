"""One real picture, one clip panning over another, and prompts on both, for every backend."""

import numpy as np
from skimage import data

from rewards.ports import Clip, MaskPrompt, Picture

PROMPTS = (
    MaskPrompt((350, 60, 650, 480), ((450, 200), (500, 300)), ((50, 50),)),
    MaskPrompt((100, 400, 900, 1000), ((400, 700), (600, 900)), ((990, 10),), keyframe=2),
    MaskPrompt((0, 0, 300, 1000), ((150, 500), (40, 800)), ((800, 500),), keyframe=4),
    MaskPrompt((700, 100, 950, 700), (), (), keyframe=1),
)


def picture(digest="astronaut", pixels=None):
    """Return the astronaut, 512x512, or other pixels, behind the port's record."""
    pixels = data.astronaut() if pixels is None else pixels

    async def read():
        return pixels

    return Picture(digest, *pixels.shape[:2], read)


def pan(frames=5):
    """Return frames of 240x320 that wander over a real photograph."""
    coffee = data.coffee()
    return np.stack(
        [coffee[20 + 9 * i : 260 + 9 * i, 40 + 16 * i : 360 + 16 * i] for i in range(frames)]
    )


def clip(digest="pan", pixels=None):
    """Return a clip of five frames, one a second."""
    pixels = pan() if pixels is None else pixels

    async def read():
        return pixels

    return Clip(digest, *pixels.shape[1:3], tuple(map(float, range(len(pixels)))), read)
