"""Still images: measured by their header, then decoded whole; for worker processes."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO

from PIL import Image, UnidentifiedImageError

from service.media.limits import (
    Decoded,
    Description,
    Excessive,
    MediaLimits,
    Unusable,
    check_picture,
    in_short,
)

# A camera's JPEG with several pictures in one file calls itself MPO; its first one counts.
FORMATS = ("JPEG", "PNG", "WEBP")
UNKNOWN_TYPE = "expected JPEG, PNG or WebP, or a video as MP4, WebM or AVI; got none of these"
WEBP_HEAD_BYTES = 30
MODES = frozenset({"1", "L", "LA", "P", "PA", "RGB", "RGBA", "CMYK", "YCbCr"})


def describe_image(path: Path, limits: MediaLimits) -> Description:
    """Say what an image is; it is decoded once, for only that tells whether it is whole.

    Raises `Unusable` or `Excessive`.
    """
    with _open(path, limits) as image:
        described = Description("image", image.width, image.height)
        # Only of a JPEG, this halves the sides thrice: it takes a fraction of memory and time.
        image.draft(None, (1, 1))
        image.load()
    return described


def decode_image(path: Path, out: Path, limits: MediaLimits) -> Decoded:
    """Write an image's RGB bytes; transparency is dropped and orientation tags are not obeyed."""
    with _open(path, limits) as image:
        pixels = image.convert("RGB").tobytes()
    out.write_bytes(pixels)
    return Decoded(image.width, image.height, (0.0,))


@contextmanager
def _open(path: Path, limits: MediaLimits) -> Iterator[Image.Image]:
    """Open an image, not yet unpacked; what its header says is checked, and a PNG's sums are."""
    with path.open("rb") as file:
        try:
            check_picture(*_webp_size(file.read(WEBP_HEAD_BYTES)), limits)
            image = _opened(file, limits)
            if image.format == "PNG":
                image.verify()
                image = _opened(file, limits)
            yield image
        except Image.DecompressionBombError as error:
            raise Excessive(
                f"expected at most {limits.picture_px} pixels; {in_short(error)}"
            ) from None
        except UnidentifiedImageError:
            raise Unusable(UNKNOWN_TYPE) from None
        except (OSError, SyntaxError, ValueError) as error:
            raise Unusable(f"expected JPEG, PNG or WebP; {in_short(error)}") from None


def _opened(file: BinaryIO, limits: MediaLimits) -> Image.Image:
    file.seek(0)
    image = Image.open(file, formats=FORMATS)
    check_picture(image.width, image.height, limits)
    if image.mode not in MODES:
        raise Unusable(f"expected an image of 8 bits a channel; got mode {image.mode!r}")
    if image.format in FORMATS and getattr(image, "n_frames", 1) > 1:
        raise Unusable("expected a still image; got an animation")
    return image


def _webp_size(head: bytes) -> tuple[int, int]:
    # Pillow's decoder takes memory for a whole WebP when it opens one. 1x1 stands for another type.
    chunk = head[12:16] if head.startswith(b"RIFF") and head[8:12] == b"WEBP" else b""
    if chunk == b"VP8X":
        return int.from_bytes(head[24:27], "little") + 1, int.from_bytes(head[27:30], "little") + 1
    if chunk == b"VP8L":
        bits = int.from_bytes(head[21:25], "little")
        return (bits & 0x3FFF) + 1, (bits >> 14 & 0x3FFF) + 1
    if chunk == b"VP8 ":
        sides = int.from_bytes(head[26:28], "little"), int.from_bytes(head[28:30], "little")
        return sides[0] & 0x3FFF, sides[1] & 0x3FFF
    return 1, 1
