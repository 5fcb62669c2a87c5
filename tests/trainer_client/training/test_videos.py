"""Tests for `trainer_client.training.videos`, against the parts of transformers' processor."""

import json
from types import SimpleNamespace

import av
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from transformers import Qwen2VLImageProcessorPil, Qwen3VLProcessor
from transformers.models.qwen3_vl.video_processing_qwen3_vl import Qwen3VLVideoProcessor
from transformers.video_utils import VideoMetadata

from tests.house.source import ROOT
from tests.trainer_client.training.conftest import write_video
from trainer_client.training.config import VideoConfig
from trainer_client.training.errors import BadConfig
from trainer_client.training.eyes import Eyes, Marks
from trainer_client.training.videos import Clip, VideoReader, _decode

WALK = ROOT / "examples/mask/walk.mp4"
READER = VideoReader()
MARKS = Marks("<|image_pad|>", "<|video_pad|>", "<|vision_start|>", "<|vision_end|>")


@given(
    st.integers(1, 3000),
    st.floats(1, 120),
    st.floats(0.1, 30),
    st.integers(1, 8),
    st.integers(8, 800),
)
def test_the_frames_are_those_that_transformers_takes(total, rate, fps, least, most):
    """So many a second, within bounds, evenly spaced from the first to the last."""
    reader = VideoReader(fps=fps, min_frames=least, max_frames=most)
    settings = SimpleNamespace(fps=fps, min_frames=least, max_frames=most)
    theirs = Qwen3VLVideoProcessor.sample_frames(settings, VideoMetadata(total, fps=rate))
    assert reader.choose(total, rate) == theirs.tolist()


@given(st.integers(1, 7), st.integers(1, 3), st.integers(1, 3))
def test_frames_are_cut_as_transformers_cuts_them(count, rows, columns):
    """In the same order; a frame without a second is its own second."""
    frames = torch.arange(count * 3 * rows * 32 * columns * 32).float()
    frames = frames.view(count, 3, rows * 32, columns * 32)
    pixels, grid = READER.cut(frames)
    theirs, *size = Qwen3VLVideoProcessor.patchify(None, frames[None], 16, 2, 2)
    assert torch.equal(pixels, theirs[0])
    assert grid.tolist() == size


def test_a_frame_is_prepared_as_an_image():
    """The first of each two frames has the patches that the image processor makes of it."""
    clip = VideoReader(max_frames=4, min_pixels=1, max_pixels=4 * 64 * 96).read(WALK)
    with av.open(WALK) as opened:
        first = next(opened.decode(video=0)).to_image().resize((64, 64), 3)
    images = Qwen2VLImageProcessorPil(
        patch_size=16,
        temporal_patch_size=2,
        merge_size=2,
        size={"shortest_edge": 64 * 64, "longest_edge": 64 * 64},
        image_mean=[0.5] * 3,
        image_std=[0.5] * 3,
    )
    seen = images(images=[first], return_tensors="pt")
    assert seen.image_grid_thw[0].tolist() == [1, 4, 4]
    assert clip.grid.tolist() == [2, 4, 4]
    ours, theirs = (each[:16].view(16, 3, 2, -1) for each in (clip.pixels, seen.pixel_values))
    assert not torch.equal(ours[:, :, 0], ours[:, :, 1])
    torch.testing.assert_close(ours[:, :, 0], theirs[:, :, 0], rtol=0, atol=1e-6)


@pytest.mark.parametrize("chosen", [[0, 5, 10, 15], [0, 7, 13], [3, 4]], ids=str)
@pytest.mark.parametrize("rate", [10.0, 29.97])
def test_the_text_is_that_of_transformers(chosen, rate):
    """The times, the marks and what is around them, letter for letter."""
    theirs = object.__new__(Qwen3VLProcessor)
    theirs.image_token, theirs.video_token = MARKS.image, MARKS.video
    theirs.vision_start_token, theirs.vision_end_token = MARKS.start, MARKS.end
    theirs.video_processor = SimpleNamespace(merge_size=2, temporal_patch_size=2)
    grid = torch.tensor([(len(chosen) + 1) // 2, 4, 6])
    told = {"video_grid_thw": grid[None],
            "video_metadata": [VideoMetadata(99, rate, frames_indices=list(chosen))]}  # fmt: skip
    template = f"Look: {MARKS.start}{MARKS.video}{MARKS.end}Where?"
    ((expected,), _) = theirs.get_text_with_replacements(
        [template], [], [theirs.replace_video_token(told, 0)]
    )
    room = Eyes(None, READER, MARKS).spell(Clip(None, grid, READER.times_s(chosen, rate)))
    assert template.replace(MARKS.video, room) == expected


def test_what_the_job_says_goes_before_what_the_model_says(tmp_path):
    """And that before the defaults of the processor; both files' layouts are read."""
    said = {"size": {"shortest_edge": 4096, "longest_edge": 8192}, "fps": 3, "min_frames": 6}
    (tmp_path / "video_preprocessor_config.json").write_text(json.dumps(said))
    reader = VideoReader.of(str(tmp_path), VideoConfig(fps=1.0))
    assert (reader.fps, reader.min_frames, reader.max_frames) == (1.0, 6, 768)
    assert (reader.min_pixels, reader.max_pixels) == (4096, 8192)
    (tmp_path / "processor_config.json").write_text(json.dumps({"video_processor": {"fps": 5}}))
    assert VideoReader.of(str(tmp_path), VideoConfig()).fps == 5
    assert VideoReader.of(str(tmp_path), VideoConfig()).min_frames == 4


def test_the_defaults_are_those_of_transformers(tmp_path):
    """A checkpoint that says nothing is read as its processor would read it."""
    reader, theirs = VideoReader.of(str(tmp_path), VideoConfig()), Qwen3VLVideoProcessor
    names = ("fps", "min_frames", "max_frames", "patch_size", "temporal_patch_size", "merge_size")
    assert [getattr(reader, n) for n in names] == [getattr(theirs, n) for n in names]
    assert [reader.min_pixels, reader.max_pixels] == list(theirs.size.values())
    assert [*reader.image_mean, *reader.image_std] == [*theirs.image_mean, *theirs.image_std]


def test_how_videos_are_looked_at_is_checked():
    """Nothing can be sampled 0 times a second."""
    with pytest.raises(BadConfig, match=r"video\.fps: expected more than 0"):
        VideoConfig(fps=0.0)


@pytest.mark.parametrize("name", ["clip.mp4", "clip.mkv"])
def test_a_video_is_sampled_at_the_frames_a_second_that_were_asked_for(tmp_path, name):
    """From first to last, whether its header counts its frames or not; brighter and brighter."""
    write_video(tmp_path / name)
    clip = VideoReader(fps=2.0, min_pixels=4 * 64 * 64, max_pixels=4 * 64 * 64).read(
        tmp_path / name
    )
    assert clip.grid.tolist() == [2, 4, 4]
    assert clip.times_s == pytest.approx(((0 + 2) / 8, (5 + 7) / 8))
    levels = clip.pixels.view(2, 16, 3, 2, 256).mean((1, 2, 4)).flatten()
    expected = torch.tensor([0, 2, 5, 7]) / 7 * 2 - 1
    torch.testing.assert_close(levels, expected, rtol=0, atol=0.03)


@pytest.mark.parametrize(
    ("spoil", "message"),
    [
        ("text", "expected a whole video; .*Invalid data"),
        ("half", "expected 40 frames; it breaks off after [0-9]+$"),
        ("still", "t:1 must be larger than temporal_factor:2"),
    ],
)
def test_what_is_no_whole_video_is_an_error(tmp_path, spoil, message):
    """No video at all, one that breaks off, and one too short to have two frames."""
    path = tmp_path / "clip.mp4"
    write_video(path, frames=1 if spoil == "still" else 40)
    content = path.read_bytes()
    path.write_bytes({"text": b"text", "half": content[: len(content) // 2]}.get(spoil, content))
    with pytest.raises(ValueError, match=message):
        VideoReader(max_frames=8).read(path)


def test_a_frame_that_only_the_header_counts_is_the_last_one_again(tmp_path):
    """Many whole videos declare a frame more than they show."""
    write_video(tmp_path / "clip.mp4", frames=40)
    shown = list(_decode(tmp_path / "clip.mp4", [0, 20, 40]))
    assert len(shown) == 3
    assert shown[1].getpixel((9, 9)) < shown[2].getpixel((9, 9))
