"""Tests for `rewards.text.masks`."""

import base64
import io
import json
import zlib

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from PIL import Image
from pycocotools import mask as coco
from skimage import data

from rewards.errors import BadTruth
from rewards.text.masks import LARGEST_MASK_PX, RunLengths, read_frame_masks, read_mask

MASKS = st.tuples(st.integers(1, 40), st.integers(1, 40)).flatmap(lambda shape: arrays(bool, shape))
TINY = {"size": [2, 2], "counts": [1, 3]}


def compressed(mask):
    """Compress a mask with pycocotools."""
    code = coco.encode(np.asfortranarray(mask, dtype=np.uint8))
    return {"size": list(mask.shape), "counts": code["counts"].decode()}


def png(image):
    """Write an image as a PNG in base64."""
    stream = io.BytesIO()
    image.save(stream, "PNG")
    return {"png": base64.b64encode(stream.getvalue()).decode()}


def deep_colour():
    """Write a PNG of one pixel, 16 bits for each of red, green and blue: 0, 0, 1."""
    head = b"IHDR" + (1).to_bytes(4, "big") * 2 + bytes([16, 2, 0, 0, 0])
    rows = b"IDAT" + zlib.compress(bytes([0, 0, 0, 0, 0, 0, 1]))
    chunks = (
        (len(chunk) - 4).to_bytes(4, "big") + chunk + zlib.crc32(chunk).to_bytes(4, "big")
        for chunk in (head, rows, b"IEND")
    )
    return base64.b64encode(b"\x89PNG\r\n\x1a\n" + b"".join(chunks)).decode()


DEEP_COLOUR = deep_colour()


@given(MASKS)
def test_compressed_run_lengths_as_pycocotools_writes_them(mask):
    """What pycocotools compresses is read back pixel for pixel."""
    assert np.array_equal(read_mask(compressed(mask)).bitmap(), mask)


@given(MASKS)
def test_plain_run_lengths_as_pycocotools_reads_them(mask):
    """Our own encoding means the same to pycocotools, and to our reader."""
    runs = RunLengths.of(mask)
    plain = {"size": list(mask.shape), "counts": list(runs.counts)}
    assert coco.frPyObjects(plain, *mask.shape)["counts"].decode() == compressed(mask)["counts"]
    assert np.array_equal(read_mask(json.dumps(plain)).bitmap(), mask)


def test_a_real_mask_survives_compression():
    """The coins above the threshold, 384x303 pixels with thousands of runs."""
    mask = data.coins() > 107
    assert np.array_equal(read_mask(compressed(mask)).bitmap(), mask)


def test_run_lengths_run_down_the_columns():
    """Five of background, two of object: row 2 of column 1 and row 0 of column 2."""
    mask = read_mask({"size": [3, 3], "counts": [5, 2, 2]}).bitmap()
    assert [tuple(p) for p in np.argwhere(mask)] == [(0, 2), (2, 1)]


def test_a_polygon_is_filled_as_coco_fills_it():
    """A square from 1 to 4 covers 3x3 pixels."""
    mask = read_mask({"size": [6, 6], "polygons": [[1, 1, 4, 1, 4, 4, 1, 4]]}).bitmap()
    assert mask.sum() == 9
    assert mask[1:4, 1:4].all()


def test_polygons_are_joined():
    """An object in two pieces is one mask."""
    pieces = [[0, 0, 2, 0, 2, 2, 0, 2], [4, 4, 6, 4, 6, 6, 4, 6]]
    assert read_mask({"size": [6, 6], "polygons": pieces}).bitmap().sum() == 8


@pytest.mark.parametrize("mode", ["L", "P", "1"])
def test_every_pixel_of_a_png_that_is_not_zero_counts(mode):
    """Grey values, palette indices and bits say the same."""
    mask = data.coins() > 107
    image = Image.fromarray((mask * 255).astype(np.uint8)).convert("1" if mode == "1" else "L")
    if mode == "P":
        image = Image.fromarray((mask * 3).astype(np.uint8), mode=None)
        image.putpalette([0, 0, 0, 9, 9, 9, 9, 9, 9, 0, 0, 0])
    assert image.mode == mode
    assert np.array_equal(read_mask(png(image)).bitmap(), mask)


def test_a_png_with_colour_or_of_16_bits_says_the_same():
    """A colour that is not black belongs, however dark; so does each number of 16 bits."""
    mask = data.coins() > 107
    red = np.zeros((*mask.shape, 3), np.uint8)
    red[mask, 0] = 1
    faint = mask.astype(np.uint16)
    for picture in (red, faint, faint * 256):
        assert np.array_equal(read_mask(png(Image.fromarray(picture))).bitmap(), mask)


@pytest.mark.parametrize(
    ("object_is", "rest_is"),
    [
        pytest.param((9, 0, 0, 255), (0, 0, 0, 255), id="opaque"),
        pytest.param((9, 0, 0, 0), (0, 0, 0, 0), id="transparent-throughout"),
        pytest.param((0, 0, 0, 255), (0, 0, 0, 0), id="black-cut-out"),
        pytest.param((255, 255, 255, 1), (255, 255, 255, 0), id="white-cut-out"),
        pytest.param((9, 0, 0, 255), (255, 255, 255, 0), id="red-on-transparent-white"),
        pytest.param((9, 255), (0, 255), id="grey"),
        pytest.param((0, 255), (0, 0), id="black-cut-out-in-grey"),
    ],
)
def test_transparent_pixels_of_a_png_are_no_object(object_is, rest_is):
    """A PNG of one colour is read by its transparency, one of one transparency by its colour."""
    mask = data.coins() > 107
    picture = np.where(mask[..., None], np.uint8(object_is), np.uint8(rest_is))
    image = Image.fromarray(picture)
    assert image.mode == ("RGBA" if len(object_is) == 4 else "LA")
    assert np.array_equal(read_mask(png(image)).bitmap(), mask)


def test_a_png_may_be_a_data_url():
    """As a browser or a notebook writes it."""
    plain = png(Image.fromarray(np.eye(3, dtype=np.uint8)))["png"]
    read = read_mask({"png": f"data:image/png;base64,{plain}"})
    assert np.array_equal(read.bitmap(), np.eye(3, dtype=bool))


def test_polygons_under_cocos_name_and_sizes_with_a_point():
    """An annotation of COCO says `segmentation`; other languages write every number as 6.0."""
    ring = [[1, 1, 4, 1, 4, 4, 1, 4]]
    expected = read_mask({"size": [6, 6], "polygons": ring})
    assert read_mask({"size": [6.0, 6.0], "segmentation": ring}) == expected


@pytest.mark.parametrize(
    ("source", "message"),
    [
        pytest.param("no json", "expected a mask as", id="text"),
        pytest.param("[" * 100_000, "expected a mask as", id="brackets"),
        pytest.param({"size": [2], "counts": "04"}, "expected a mask as", id="one-side"),
        pytest.param({"size": [2, True], "counts": [2]}, "whole number of pixels", id="bool-side"),
        pytest.param({"size": [0, 5], "counts": []}, "at least 1", id="no-pixels"),
        pytest.param({"size": [2, 2], "counts": [1, 2]}, "sum to 2x2", id="too-few"),
        pytest.param({"size": [2, 2], "counts": [1, 5]}, "sum to 2x2", id="too-many"),
        pytest.param({"size": [2, 2], "counts": [6, -2]}, "sum to 2x2", id="negative"),
        pytest.param({"size": [2, 2], "counts": [1.0, 3]}, "whole numbers", id="float-run"),
        pytest.param({"size": [2, 2], "counts": [True, 3]}, "whole numbers", id="bool-run"),
        pytest.param({"size": [2, 2], "counts": "0 4"}, "compressed", id="bad-character"),
        pytest.param({"size": [2, 2], "counts": "0P"}, "middle of a number", id="cut-short"),
        pytest.param({"size": [2, 2], "counts": "o" * 50}, "compressed", id="endless-number"),
        pytest.param({"size": [10**6, 10**6], "counts": [10**12]}, "at most", id="tera-pixel"),
        pytest.param({"size": [9, 9], "polygons": []}, "polygons", id="no-polygon"),
        pytest.param({"size": [9, 9], "polygons": [[1, 1, 2, 2]]}, "polygon", id="two-corners"),
        pytest.param({"size": [9, 9], "polygons": [[1] * 7]}, "polygon", id="odd"),
        pytest.param({"size": [9, 9], "polygons": [[0, 0, 9, 0, 9, 1e9]]}, "near", id="far-away"),
        pytest.param({"size": [9, 9], "polygons": [[0, 0, 9, 0, 9, None]]}, "near", id="null"),
        pytest.param(
            {"size": [9, 9], "polygons": [[0, 0, 9, 0, 9, float("nan")]]}, "near", id="nan"
        ),
        pytest.param({"size": [10**6] * 2, "polygons": [[1] * 6]}, "at most", id="tera-polygon"),
        pytest.param({"png": "%%%"}, "PNG in base64", id="no-base64"),
        pytest.param({"png": "aGVsbG8="}, "PNG in base64", id="no-png"),
        pytest.param({"size": [2.5, 2], "counts": [5]}, "whole number", id="half-a-pixel"),
        pytest.param({"size": [9, 9], "segmentation": []}, "polygons", id="no-segmentation"),
        pytest.param({"png": DEEP_COLOUR}, "got 16-bit colour", id="deep-colour"),
        pytest.param({"png": "data:image/gif;base64,aGVsbG8="}, "PNG in base64", id="gif-url"),
    ],
)
def test_what_is_no_mask_is_loud(source, message):
    """A mask that cannot be read is the dataset's fault, and the message says what was wanted."""
    with pytest.raises(BadTruth, match=message):
        read_mask(source)


@pytest.mark.parametrize(
    ("mode", "side", "most"), [("1", 9_000, LARGEST_MASK_PX), ("RGBA", 5_000, LARGEST_MASK_PX // 4)]
)
@pytest.mark.promise(25)
def test_a_png_is_measured_before_it_is_unpacked(mode, side, most):
    """A small file that declares too many pixels, or numbers, is refused by its header."""
    stream = io.BytesIO()
    Image.new(mode, (100, 100)).save(stream, "PNG")
    content = bytearray(stream.getvalue())
    content[16:24] = side.to_bytes(4, "big") * 2
    content[29:33] = zlib.crc32(bytes(content[12:29])).to_bytes(4, "big")
    with pytest.raises(BadTruth, match=rf"at most {most} pixels; got {side}x{side}"):
        read_mask({"png": base64.b64encode(bytes(content)).decode()})


def test_a_truncated_png_is_loud():
    """Half a file is no mask."""
    half = png(Image.fromarray((data.coins() > 107).astype(np.uint8) * 255))["png"][:400]
    with pytest.raises(BadTruth, match="PNG in base64"):
        read_mask({"png": half})


@given(st.text(max_size=30), st.integers(1, 6), st.integers(1, 6))
@pytest.mark.promise(25)
def test_no_run_lengths_can_crash_the_reader(counts, height, width):
    """Any text gives a mask of the stated size or `BadTruth`."""
    try:
        mask = read_mask({"size": [height, width], "counts": counts}).bitmap()
    except BadTruth:
        return
    assert mask.shape == (height, width)


def test_frames_named_by_time():
    """Seconds name the frames of a mapping, in any order."""
    frames = read_frame_masks({"masks": {"1.5": TINY, "0": TINY}})
    assert [frame.time_s for frame in frames] == [1.5, 0.0]
    assert all(frame.index is None and frame.mask.bitmap().sum() == 3 for frame in frames)


def test_frames_named_by_place():
    """The place in a list names the sampled frame; null leaves it out."""
    frames = read_frame_masks(json.dumps({"masks": [None, TINY, None, TINY]}))
    assert [frame.index for frame in frames] == [1, 3]


@pytest.mark.parametrize(
    ("source", "message"),
    [
        pytest.param(TINY, "expected {", id="one-mask"),
        pytest.param({"masks": []}, "1 to 4096 frames; got 0", id="none"),
        pytest.param({"masks": {}}, "1 to 4096 frames; got 0", id="no-times"),
        pytest.param({"masks": [TINY] * 4097}, "got 4097", id="too-many"),
        pytest.param({"masks": {"soon": TINY}}, "expected seconds", id="no-number"),
        pytest.param({"masks": {"-1": TINY}}, "expected seconds", id="before"),
        pytest.param({"masks": {"inf": TINY}}, "expected seconds", id="never"),
        pytest.param({"masks": {"2": {"size": [1, 1]}}}, "frame 2: expected", id="names-the-frame"),
        pytest.param(
            {"masks": [TINY, {"size": [3, 1], "counts": [3]}]}, "one size", id="two-sizes"
        ),
    ],
)
def test_frames_that_cannot_be_used_are_loud(source, message):
    """A clip's truth is read as a whole or not at all."""
    with pytest.raises(BadTruth, match=message):
        read_frame_masks(source)
