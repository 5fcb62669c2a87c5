"""Between pictures and the network: frames scaled and normalised, prompts placed, masks drawn."""

from collections.abc import Iterable, Sequence

import numpy as np
import torch
from torch.nn import functional

from rewards.backends.sam2.network import PromptTensors, Tensor
from rewards.ports import Mask, MaskPrompt, Pixels

# Of ImageNet, in RGB, as SAM 2 was trained.
MEAN = (0.485, 0.456, 0.406)
STD = (0.229, 0.224, 0.225)
GRID = 1000.0
OFF, ON, TOP_LEFT, BOTTOM_RIGHT = 0, 1, 2, 3


def normalise(frames: Iterable[Pixels], side_px: int, device: Tensor, dtype: Tensor) -> Tensor:
    """Scale RGB frames of any size to squares and normalise their colours.

    The aspect is not kept and the filter is bilinear with antialiasing, both as in training.
    Returns shape `(frames, 3, side_px, side_px)`.
    """
    squares = [_square(frame, side_px, device) for frame in frames]
    mean = torch.tensor(MEAN, device=device).view(3, 1, 1)
    std = torch.tensor(STD, device=device).view(3, 1, 1)
    return ((torch.cat(squares) - mean) / std).to(dtype)


def place(prompts: Sequence[MaskPrompt], side_px: int, device: Tensor) -> PromptTensors:
    """Move prompts with equally many points from the 0-1000 grid to the network's input.

    The box's corners come first, as where SAM 2 was trained.
    """
    points = [
        [prompt.box[:2], prompt.box[2:], *prompt.positive, *prompt.negative] for prompt in prompts
    ]
    labels = [
        [TOP_LEFT, BOTTOM_RIGHT, *[ON] * len(prompt.positive), *[OFF] * len(prompt.negative)]
        for prompt in prompts
    ]
    scale = side_px / GRID
    return PromptTensors(
        torch.tensor(points, dtype=torch.float32, device=device) * scale,
        torch.tensor(labels, dtype=torch.int32, device=device),
    )


def draw(logits: Tensor, height: int, width: int) -> Mask:
    """Scale mask logits of shape `(1, 1, side, side)` up and threshold them at 0."""
    scaled = functional.interpolate(
        logits.float(), size=(height, width), mode="bilinear", align_corners=False
    )
    mask: Mask = (scaled[0, 0] > 0).cpu().numpy()
    return mask


def _square(frame: Pixels, side_px: int, device: Tensor) -> Tensor:
    rgb = torch.from_numpy(np.array(frame)).to(device).permute(2, 0, 1)[None]
    return functional.interpolate(
        rgb.float() / 255, size=(side_px, side_px), mode="bilinear", antialias=True
    )
