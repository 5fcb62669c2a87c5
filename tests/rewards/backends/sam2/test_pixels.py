"""Tests for `rewards.backends.sam2.pixels`."""

import numpy as np
import pytest
import torch
from PIL import Image
from skimage import data

from rewards.backends.sam2.pixels import MEAN, STD, draw, normalise, place
from rewards.ports import MaskPrompt


def test_a_picture_is_scaled_as_pillow_scales_it():
    """Bilinear with antialiasing, aspect not kept: within a grey level of Pillow's."""
    photo = data.coffee()
    scaled = normalise([photo], 256, "cpu", torch.float32)[0]
    colours = scaled * torch.tensor(STD).view(3, 1, 1) + torch.tensor(MEAN).view(3, 1, 1)
    expected = np.asarray(Image.fromarray(photo).resize((256, 256), Image.Resampling.BILINEAR))
    assert np.abs(colours.permute(1, 2, 0).numpy() * 255 - expected).max() < 1.0


def test_frames_of_any_size_are_stacked():
    """Each becomes a square of its own."""
    frames = [np.zeros((5, 9, 3), dtype=np.uint8), np.full((40, 3, 3), 255, dtype=np.uint8)]
    stacked = normalise(frames, 8, "cpu", torch.float32)
    assert stacked.shape == (2, 3, 8, 8)
    black, white = (
        -torch.tensor(MEAN) / torch.tensor(STD),
        (1 - torch.tensor(MEAN)) / torch.tensor(STD),
    )
    assert torch.allclose(stacked[0, :, 4, 4], black)
    assert torch.allclose(stacked[1, :, 4, 4], white)


def test_a_prompt_is_placed_corners_first():
    """The grid's 1000 is the network's side; labels say what each point is."""
    prompts = [
        MaskPrompt((0, 250, 500, 1000), ((100, 200),), ((300, 400), (500, 600))),
        MaskPrompt((1, 2, 3, 4), ((5, 6), (7, 8)), ((9, 10),)),
    ]
    placed = place(prompts, 2000, "cpu")
    assert placed.points[0].tolist() == [
        [0, 500],
        [1000, 2000],
        [200, 400],
        [600, 800],
        [1000, 1200],
    ]
    assert placed.labels.tolist() == [[2, 3, 1, 0, 0], [2, 3, 1, 1, 0]]


@pytest.mark.parametrize(("height", "width"), [(64, 64), (100, 30)])
def test_a_mask_is_drawn_where_logits_are_positive(height, width):
    """A half plane stays a half plane at any size."""
    logits = torch.full((1, 1, 16, 16), -1.0)
    logits[..., :8] = 1.0
    mask = draw(logits, height, width)
    assert mask.shape == (height, width)
    assert mask.dtype == np.bool_
    assert mask[:, : width // 2].all()
    assert not mask[:, width // 2 :].any()
