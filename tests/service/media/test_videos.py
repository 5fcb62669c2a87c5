"""Tests for `service.media.videos`."""

import numpy as np
import pytest

from service.media.limits import Excessive, MediaLimits, Unusable
from service.media.videos import container_of, decode_clip, describe_video
from tests.real_media import bikes, coins, ramp, video

LIMITS = MediaLimits(picture_px=200_000, video_frames=300, video_s=30.0, clip_frames=64)
FORMS = [("mp4", "mpeg4"), ("webm", "libvpx"), ("avi", "mpeg4"), ("avi", "mjpeg")]


@pytest.fixture
def written(tmp_path):
    """Return a function that writes bytes to a file."""

    def write(content):
        path = tmp_path / "content"
        path.write_bytes(content)
        return path

    return write


def sampled(path, tmp_path, fps, limits=LIMITS):
    """Decode a clip to its times and RGB array."""
    decoded = decode_clip(path, tmp_path / "out", limits, fps=fps)
    raw = np.frombuffer((tmp_path / "out").read_bytes(), np.uint8)
    return decoded.times_s, raw.reshape(-1, decoded.height, decoded.width, 3)


def make(form, codec, count=20, **options):
    """Encode a ramp in some container."""
    pixel_format = "yuvj420p" if codec == "mjpeg" else "yuv420p"
    return video(ramp(count), form=form, codec=codec, pixel_format=pixel_format, **options)


@pytest.mark.parametrize(("form", "codec"), FORMS)
def test_each_container_is_described_without_decoding(form, codec, written):
    """Size, frames and length come from headers and packets."""
    described = describe_video(written(make(form, codec)), LIMITS)
    assert (described.kind, described.width, described.height) == ("video", 64, 48)
    assert described.frames == 20
    assert described.duration_s == pytest.approx(1.9, abs=0.01)


@pytest.mark.parametrize(("form", "codec"), FORMS)
@pytest.mark.parametrize(
    ("fps", "expected"),
    [
        (10.0, range(20)),
        (5.0, range(0, 20, 2)),
        (2.0, (0, 5, 10, 15)),
        (1.0, (0, 10)),
        (100.0, range(20)),
        (0.1, (0,)),
    ],
)
def test_the_frames_nearest_to_the_beat_are_taken(form, codec, fps, expected, written, tmp_path):
    """The grey of each frame tells which it is; none is taken twice."""
    times_s, frames = sampled(written(make(form, codec)), tmp_path, fps)
    numbers = [round(float(frame.mean()) / 10) for frame in frames]
    assert numbers == list(expected)
    assert times_s == pytest.approx([number / 10 for number in expected], abs=0.002)


def test_a_real_street_scene_is_sampled(tmp_path):
    """Ten seconds at 25 a second, twice a second: 20 frames of a picture that moves."""
    assert describe_video(bikes(), LIMITS).frames == 250
    times_s, frames = sampled(bikes(), tmp_path, 2.0)
    assert frames.shape == (20, 272, 640, 3)
    assert times_s == pytest.approx(np.arange(20) / 2, abs=0.021)
    assert np.abs(np.diff(frames[::5].astype(float), axis=0)).mean() > 1.0


@pytest.mark.parametrize(
    ("limits", "message"),
    [
        pytest.param(MediaLimits(video_frames=19), "at most 19 frames", id="frames"),
        pytest.param(MediaLimits(video_s=1.0), "and 1 s", id="seconds"),
    ],
)
def test_a_video_beyond_the_limits_is_refused_by_its_header(limits, message, written):
    """Before a frame is decoded."""
    with pytest.raises(Excessive, match=message):
        describe_video(written(make("mp4", "mpeg4")), limits)


def test_pictures_beyond_the_limit_are_not_even_opened(written):
    """The decoder is told the limit before it looks for the first picture."""
    with pytest.raises((Excessive, Unusable), match="3000 pixels"):
        describe_video(written(make("mp4", "mpeg4")), MediaLimits(picture_px=3000))


def test_ten_thousand_frames_are_counted_only_up_to_the_limit(written):
    """A file with very many small frames is read no further than it is allowed."""
    frames = [np.zeros((16, 16, 3), np.uint8)] * 10_000
    path = written(video(frames, codec="mjpeg", form="avi", pixel_format="yuvj420p", fps=1000))
    with pytest.raises(Excessive, match="at most 300 frames"):
        describe_video(path, LIMITS)


@pytest.mark.parametrize(
    "limits", [MediaLimits(clip_frames=5), MediaLimits(clip_px=5 * 48 * 64 + 100)], ids=["n", "px"]
)
def test_a_clip_is_not_sampled_beyond_the_limits(limits, written, tmp_path):
    """The message says to sample fewer."""
    with pytest.raises(Excessive, match="at most 5 frames of 64x48 at 10 a second"):
        sampled(written(make("mp4", "mpeg4")), tmp_path, 10.0, limits)


@pytest.mark.parametrize("form", ["mp4", "avi", "webm"])
def test_a_video_that_breaks_off_is_unusable(form, written):
    """Half of a file is not a video."""
    content = make(form, "libvpx" if form == "webm" else "mpeg4", count=100)
    with pytest.raises(Unusable, match="expected a whole video"):
        describe_video(written(content[: len(content) // 2]), LIMITS)


@pytest.mark.parametrize("form", ["mp4", "avi", "webm"])
def test_no_damage_crashes_the_reader(form, written, tmp_path):
    """A flipped run of bytes anywhere gives frames or `Unusable`, nothing else."""
    content = make(form, "libvpx" if form == "webm" else "mpeg4", count=30)
    rng = np.random.default_rng(7)
    for _ in range(12):
        damaged = bytearray(content)
        start = int(rng.integers(0, len(content) - 64))
        damaged[start : start + 64] = rng.bytes(64)
        path = written(bytes(damaged))
        if container_of(path) is None:
            continue
        try:
            describe_video(path, LIMITS)
            sampled(path, tmp_path, 5.0)
        except (Unusable, Excessive):
            pass


@pytest.mark.parametrize(
    "content",
    [
        pytest.param(b"#EXTM3U\n#EXTINF:1,\nfile:///etc/passwd\n", id="playlist"),
        pytest.param(b"ffconcat version 1.0\nfile /etc/passwd\n", id="concatenation"),
        pytest.param(b"<?xml version='1.0'?><MPD><BaseURL>http://x/</BaseURL></MPD>", id="dash"),
        pytest.param(b"", id="empty"),
        pytest.param(coins(), id="picture"),
        pytest.param(coins("WEBP"), id="webp-in-riff"),
    ],
)
def test_only_three_containers_are_videos(content, written):
    """What names other files is never given to a demuxer."""
    assert container_of(written(content)) is None


def test_a_container_without_pictures_is_unusable(written):
    """Four letters do not make a video."""
    with pytest.raises(Unusable, match="expected a whole video"):
        describe_video(written(b"\0\0\0\x18ftypmp42\0\0\0\0mp42isom" + b"\0" * 50), LIMITS)
