"""True masks as datasets write them: COCO run lengths, polygons, or PNG."""

import base64
import io
import json
import math
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

import numpy as np
from numpy.typing import NDArray

from rewards.errors import BadTruth

Mask = NDArray[np.bool_]
LARGEST_MASK_PX = 2**26
MOST_FRAMES = 4096
MOST_CORNERS = 100_000
SHAPES = (
    '{"size": [height, width], "counts": text or list}, '
    '{"size": [height, width], "polygons": [[x1, y1, x2, y2, x3, y3, …], …]} or {"png": base64}'
)
COORDINATES, SMALLEST_POLYGON = 2, 6
PNG_URL = "data:image/png;base64,"
PNG_DEPTH, SIXTEEN_BITS, SEVERAL_CHANNELS = 24, 16, ("LA", "RGB", "RGBA")


@dataclass(frozen=True, slots=True)
class RunLengths:
    """A mask by the lengths of its runs, down the columns, the first run being background."""

    height: int
    width: int
    counts: tuple[int, ...]

    def __post_init__(self) -> None:
        _check_size(self.height, self.width)
        if any(count < 0 for count in self.counts) or sum(self.counts) != self.height * self.width:
            raise BadTruth(
                f"expected run lengths that sum to {self.height}x{self.width}; "
                f"got {len(self.counts)} with the sum {sum(self.counts)}"
            )

    @classmethod
    def of(cls, mask: Mask) -> "RunLengths":
        """Encode a mask of shape `(height, width)`.

        >>> RunLengths.of(np.array([[True, False], [True, True]])).counts
        (0, 2, 1, 1)
        """
        column = mask.T.ravel()
        changes = np.flatnonzero(column[1:] != column[:-1]) + 1
        ends = [0, *changes.tolist(), column.size]
        lengths = tuple(end - start for start, end in pairwise(ends))
        height, width = mask.shape
        return cls(height, width, (0, *lengths) if column[0] else lengths)

    @property
    def area_px(self) -> int:
        """Pixels of the object."""
        return sum(self.counts[1::2])

    def bitmap(self) -> Mask:
        """Return the mask, shape `(height, width)`."""
        values = np.arange(len(self.counts)) % 2 == 1
        return np.repeat(values, self.counts).reshape(self.width, self.height).T


@dataclass(frozen=True, slots=True)
class FrameMask:
    """The true mask of one annotated frame, named by its index or by its time."""

    mask: RunLengths
    index: int | None = None
    time_s: float | None = None


def read_mask(source: object) -> RunLengths:
    """Read one mask, from JSON text or a JSON object; `BadTruth` says what was expected.

    Run lengths are COCO's, compressed or not; polygons (or COCO's name for them, `segmentation`)
    are filled as COCO fills them and joined; every pixel of a PNG that is not 0 belongs to the
    mask, unless it is transparent, and a PNG of one colour is read by its transparency.

    >>> read_mask({"size": [2, 2], "counts": [1, 3]}).bitmap().tolist()
    [[False, True], [True, True]]
    """
    match _json(source):
        case {"png": str(text)}:
            return RunLengths.of(_from_png(text))
        case {"size": [height, width], "counts": str() | list() as counts}:
            return _from_counts(_side(height), _side(width), counts)
        case {"size": [height, width], "polygons": [*polygons]}:
            return _from_polygons(_side(height), _side(width), polygons)
        case {"size": [height, width], "segmentation": [*polygons]}:
            return _from_polygons(_side(height), _side(width), polygons)
    raise BadTruth(f"expected a mask as {SHAPES}")


def read_frame_masks(source: object) -> tuple[FrameMask, ...]:
    """Read the masks of a clip's annotated frames; all have one size.

    `{"masks": {"1.5": mask, …}}` names frames by seconds; `{"masks": [mask, null, …]}` has one
    entry for each sampled frame, null where it is not annotated.
    """
    match _json(source):
        case {"masks": dict() as masks}:
            frames = [FrameMask(_read_at(at, m), time_s=_seconds(at)) for at, m in masks.items()]
        case {"masks": list() as masks}:
            frames = [
                FrameMask(_read_at(str(index), mask), index=index)
                for index, mask in enumerate(masks)
                if mask is not None
            ]
        case _:
            raise BadTruth('expected {"masks": {seconds: mask, …}} or {"masks": [mask or null, …]}')
    if not 1 <= len(frames) <= MOST_FRAMES:
        raise BadTruth(f"expected masks of 1 to {MOST_FRAMES} frames; got {len(frames)}")
    sizes = {(frame.mask.height, frame.mask.width) for frame in frames}
    if len(sizes) > 1:
        raise BadTruth(f"expected masks of one size; got {sorted(sizes)}")
    return tuple(frames)


def _json(source: object) -> Any:
    if not isinstance(source, str):
        return source
    try:
        return json.loads(source)
    except (ValueError, RecursionError):
        return None


def _check_size(height: int, width: int, channels: int = 1) -> None:
    if height * width > (most := LARGEST_MASK_PX // channels):
        raise BadTruth(f"expected a mask of at most {most} pixels; got {height}x{width}")


def _side(value: object) -> int:
    if isinstance(value, float) and value.is_integer():
        value = int(value)
    if isinstance(value, bool) or not isinstance(value, int) or value < 1:
        raise BadTruth(f"expected a whole number of pixels of at least 1; got {value!r}"[:120])
    return value


def _from_counts(height: int, width: int, counts: str | list[Any]) -> RunLengths:
    lengths = _decompressed(counts) if isinstance(counts, str) else counts
    if not all(isinstance(count, int) and not isinstance(count, bool) for count in lengths):
        raise BadTruth("expected whole numbers as run lengths")
    return RunLengths(height, width, tuple(lengths))


def _decompressed(text: str) -> list[int]:
    # Five bits a character, low ones first, with a flag for more to come; the last one carries
    # the sign. From the fourth run on, the difference to the run before the last is written.
    lengths: list[int] = []
    value = shift = 0
    for character in text:
        bits = ord(character) - 48
        if not 0 <= bits < 64 or shift > 60:  # noqa: PLR2004 - six bits a character, twelve characters
            raise BadTruth(f"expected compressed run lengths; got {character!r} in them")
        value |= (bits & 31) << shift
        shift += 5
        if bits & 32:
            continue
        if bits & 16:
            value -= 1 << shift
        lengths.append(value + (lengths[-2] if len(lengths) > 2 else 0))  # noqa: PLR2004 - the fourth
        value = shift = 0
    if shift:
        raise BadTruth("expected compressed run lengths; they stop in the middle of a number")
    return lengths


def _from_polygons(height: int, width: int, polygons: Sequence[Any]) -> RunLengths:
    from pycocotools import mask as coco

    _check_size(height, width)
    rings = [_ring(polygon, height, width) for polygon in polygons]
    if not rings or sum(map(len, rings)) > COORDINATES * MOST_CORNERS:
        raise BadTruth(f"expected polygons of at most {MOST_CORNERS} corners; got {len(rings)}")
    filled = coco.merge(coco.frPyObjects(rings, height, width))
    return _from_counts(height, width, filled["counts"].decode())


def _ring(polygon: Any, height: int, width: int) -> list[float]:
    if (
        not isinstance(polygon, list)
        or len(polygon) < SMALLEST_POLYGON
        or len(polygon) % COORDINATES
        or not all(_lies_near(x, width) for x in polygon[::2])
        or not all(_lies_near(y, height) for y in polygon[1::2])
    ):
        raise BadTruth("expected a polygon [x1, y1, x2, y2, x3, y3, …] in or near the image")
    return [float(number) for number in polygon]


def _lies_near(value: object, side: int) -> bool:
    # Filling walks along every edge, so an edge may not be much longer than the image.
    return (
        isinstance(value, int | float)
        and not isinstance(value, bool)
        and -side <= value <= 2 * side
    )


def _from_png(text: str) -> Mask:
    from PIL import Image

    try:
        content = base64.b64decode(text.removeprefix(PNG_URL), validate=True)
        image = Image.open(io.BytesIO(content), formats=["PNG"])
        if content[PNG_DEPTH] == SIXTEEN_BITS and image.mode in SEVERAL_CHANNELS:
            # Pillow would drop the lower half of each number.
            raise BadTruth("expected a PNG of 8 bits, or of one channel; got 16-bit colour")
        _check_size(image.height, image.width, channels=len(image.getbands()))
        values: NDArray[np.integer[Any]] = np.asarray(image)
    except (OSError, SyntaxError, ValueError, Image.DecompressionBombError) as error:
        raise BadTruth(f"expected a PNG in base64; {error}"[:200]) from None
    return _marked(values, has_alpha=image.mode in ("LA", "RGBA"))


def _marked(values: NDArray[np.integer[Any]], *, has_alpha: bool) -> Mask:
    channels = np.atleast_3d(values)
    layers = np.split(channels, [-1], axis=-1) if has_alpha else [channels]
    # A layer, colour or transparency, that is the same everywhere tells nothing apart.
    telling = [layer for layer in layers if (layer != layer[0, 0]).any()] or layers[:1]
    belongs: Mask = np.all([(layer != 0).any(axis=-1) for layer in telling], axis=0)
    return belongs


def _seconds(name: str) -> float:
    try:
        seconds = float(name)
    except ValueError:
        seconds = math.nan
    if not (math.isfinite(seconds) and seconds >= 0):
        raise BadTruth(f"expected seconds to name a frame; got {name[:40]!r}")
    return seconds


def _read_at(name: str, source: object) -> RunLengths:
    try:
        return read_mask(source)
    except BadTruth as error:
        raise BadTruth(f"frame {name[:40]}: {error}") from None
