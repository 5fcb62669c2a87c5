"""Tests for `service.media.images`."""

import io

import numpy as np
import pytest
from PIL import Image
from skimage import data

from service.media.images import decode_image, describe_image
from service.media.limits import Description, Excessive, MediaLimits, Unusable
from tests.real_media import coins, encoded, png_that_declares, webp_that_declares

LIMITS = MediaLimits(picture_px=500_000)


@pytest.fixture
def written(tmp_path):
    """Return a function that writes bytes to a file."""

    def write(content):
        path = tmp_path / "content"
        path.write_bytes(content)
        return path

    return write


def pixels(path, tmp_path):
    """Decode a file to its RGB array."""
    decoded = decode_image(path, tmp_path / "out", LIMITS)
    raw = np.frombuffer((tmp_path / "out").read_bytes(), np.uint8)
    return raw.reshape(decoded.height, decoded.width, 3)


@pytest.mark.parametrize("form", ["PNG", "JPEG", "WEBP"])
def test_a_picture_of_each_type_is_described_and_decoded(form, written, tmp_path):
    """The size is the header's, and the pixels are Pillow's."""
    content = coins(form)
    path = written(content)
    assert describe_image(path, LIMITS) == Description("image", 384, 303)
    expected = np.asarray(Image.open(io.BytesIO(content)).convert("RGB"))
    assert np.array_equal(pixels(path, tmp_path), expected)


@pytest.mark.parametrize("mode", ["1", "L", "LA", "P", "RGBA", "CMYK"])
def test_every_mode_becomes_rgb(mode, written, tmp_path):
    """Three channels come out whatever went in."""
    picture = Image.fromarray(data.astronaut()[:40, :50]).convert("RGB")
    form = "JPEG" if mode == "CMYK" else "PNG"
    assert pixels(written(encoded(picture.convert(mode), form)), tmp_path).shape == (40, 50, 3)


@pytest.mark.parametrize(
    ("content", "message"),
    [
        pytest.param(b"", "JPEG, PNG or WebP", id="empty"),
        pytest.param(b"hello", "JPEG, PNG or WebP", id="text"),
        pytest.param(b"<svg xmlns='http://www.w3.org/2000/svg'/>", "JPEG", id="svg"),
        pytest.param(encoded(np.zeros((4, 4, 3), np.uint8), "TIFF"), "JPEG", id="tiff"),
        pytest.param(encoded(np.zeros((4, 4, 3), np.uint8), "BMP"), "JPEG", id="bmp"),
        pytest.param(encoded(np.zeros((4, 4, 3), np.uint8), "GIF"), "JPEG", id="gif"),
        pytest.param(encoded(np.zeros((4, 4, 3), np.uint8), "EPS"), "JPEG", id="eps"),
        pytest.param(coins()[:4000], "JPEG", id="half-a-png"),
        pytest.param(coins("JPEG")[:4000], "truncated", id="half-a-jpeg"),
        pytest.param(coins("WEBP")[:4000], "JPEG", id="half-a-webp"),
        pytest.param(coins()[:30], "JPEG", id="only-a-header"),
        pytest.param(encoded(np.zeros((4, 4), np.uint16)), "mode 'I;16'", id="16-bit"),
        pytest.param(png_that_declares(0, 5), "JPEG", id="no-width"),
        pytest.param(png_that_declares(50, 50), "truncated", id="too-few-pixels"),
    ],
)
def test_what_is_no_whole_picture_is_unusable(content, message, written):
    """The type is what the bytes are, whatever they are called."""
    with pytest.raises(Unusable, match=message):
        describe_image(written(content), LIMITS)


@pytest.mark.parametrize(
    "content",
    [
        pytest.param(b"hello", id="text"),
        pytest.param(b"#EXTM3U\nhttp://127.0.0.1/", id="playlist"),
        pytest.param(b"PK\x03\x04" + bytes(60), id="zip"),
        pytest.param(b"<svg xmlns='http://www.w3.org/2000/svg'/>", id="svg"),
        *(
            pytest.param(encoded(np.zeros((4, 4, 3), np.uint8), form), id=form.lower())
            for form in ("GIF", "BMP", "TIFF")
        ),
    ],
)
def test_another_type_is_told_which_types_there_are(content, written):
    """The sentence is ours: a library's would show a part of its own objects."""
    with pytest.raises(Unusable) as raised:
        describe_image(written(content), LIMITS)
    assert str(raised.value) == (
        "expected JPEG, PNG or WebP, or a video as MP4, WebM or AVI; got none of these"
    )


@pytest.mark.parametrize("form", ["PNG", "WEBP"])
@pytest.mark.promise(22)
def test_an_animation_is_unusable(form, written):
    """A still image has one frame."""
    frames = [Image.new("RGB", (8, 8), colour) for colour in ("red", "green", "blue")]
    animated = encoded(frames[0], form, save_all=True, append_images=frames[1:])
    with pytest.raises(Unusable, match="animation"):
        describe_image(written(animated), LIMITS)


@pytest.mark.parametrize(
    "content",
    [
        pytest.param(png_that_declares(40_000, 40_000), id="giant-png"),
        pytest.param(png_that_declares(100_000, 6), id="long-png"),
        pytest.param(webp_that_declares(16_000, 16_000), id="giant-webp"),
        pytest.param(encoded(np.zeros((800, 700, 3), np.uint8), "JPEG"), id="jpeg"),
        pytest.param(encoded(np.zeros((800, 700, 3), np.uint8), "WEBP"), id="lossy-webp"),
        pytest.param(
            encoded(np.zeros((800, 700, 3), np.uint8), "WEBP", lossless=True), id="lossless-webp"
        ),
    ],
)
@pytest.mark.promise(22)
def test_a_picture_with_too_many_pixels_is_refused_by_its_header(content, written, monkeypatch):
    """Nothing is unpacked: loading would fail this test."""
    monkeypatch.setattr(Image.Image, "load", None)
    with pytest.raises(Excessive, match="pixels"):
        describe_image(written(content), LIMITS)


def test_a_file_that_is_gone_is_not_called_unusable(tmp_path):
    """It may have been evicted."""
    with pytest.raises(FileNotFoundError):
        describe_image(tmp_path / "gone", LIMITS)
