"""`reward-service draw`: a picture of what an answer says beside what is true."""

import tempfile
from pathlib import Path
from typing import Annotated, NoReturn

import numpy as np
import typer
from numpy.typing import NDArray
from PIL import Image, ImageDraw, ImageFont

from rewards.errors import RewardError
from rewards.maths.masks import mask_boundary
from rewards.specs import ONETHINKER_RELEASED
from service.commands.media import MediaFiles
from service.commands.rows import read_row
from service.commands.sketches import Marks, Panel, sketch
from service.media.images import decode_image
from service.media.limits import Excessive, MediaLimits, Unusable
from service.media.videos import decode_clip

Frames = NDArray[np.uint8]
Colour = tuple[int, int, int]

GRID = 1000.0
PANEL_PX, STRIP_PX, GAP_PX, COLUMNS = 480, 26, 8, 3
ANSWER: Colour = (230, 85, 13)
TRUTH: Colour = (35, 139, 69)
INK: Colour = (40, 40, 40)
PAPER: Colour = (255, 255, 255)
BLANK: Colour = (225, 225, 225)
VEIL = 0.35
RADIUS_PX = 6


def draw(
    item: Annotated[Path, typer.Argument(help="JSON: one item of a spatial kind.")],
    out: Annotated[Path, typer.Option(help="Where to write the picture.")],
) -> None:
    """Draw what an answer says, in orange, beside what is true, in green.

    Media are files beside the item, {"image": "coins.png"} or {"video": "clip.mp4", "fps": 2}, or
    in it, {"image": {"base64": "…"}}.
    Discs are points on the object, crosses points off it. Without media the page stays grey.
    """
    try:
        row = read_row(1, item.read_bytes())
        if row.fault is not None:
            _give_up(str(row.fault))
        files = row.media or MediaFiles()
        panels = sketch(row.sample, ONETHINKER_RELEASED, fps=files.fps)
        frames, times_s = _frames(files, item.parent)
        pictures = [_paint(panel, _at(panel.time_s, frames, times_s)) for panel in panels]
        _sheet(pictures).save(out)
    except OSError as error:
        _give_up(f"{error.filename}: {error.strerror}" if error.filename else str(error))
    except (RewardError, Unusable, Excessive) as error:
        _give_up(str(error))


def _give_up(why: str) -> NoReturn:
    typer.echo(f"reward-service: {why}", err=True)
    raise typer.Exit(1)


def _frames(files: MediaFiles, folder: Path) -> tuple[Frames | None, tuple[float, ...]]:
    """Decode what the files show; None where there are none."""
    if files.image:
        return _decoded(folder, files.image)
    if files.video:
        return _decoded(folder, files.video, fps=files.fps)
    if not files.frames:
        return None, ()
    stills = [_decoded(folder, file)[0] for file in files.frames]
    return np.concatenate(stills), tuple(index / files.fps for index in range(len(stills)))


def _decoded(
    folder: Path, source: str | bytes, *, fps: float | None = None
) -> tuple[Frames, tuple[float, ...]]:
    with tempfile.TemporaryDirectory() as room:
        raw, limits = Path(room, "raw"), MediaLimits()
        if isinstance(source, bytes):
            path = Path(room, "sent")
            path.write_bytes(source)
        else:
            path = folder / source
        done = (
            decode_image(path, raw, limits)
            if fps is None
            else decode_clip(path, raw, limits, fps=fps)
        )
        pixels = np.frombuffer(raw.read_bytes(), np.uint8)
    return pixels.reshape(-1, done.height, done.width, 3), done.times_s


def _at(time_s: float, frames: Frames | None, times_s: tuple[float, ...]) -> Image.Image:
    if frames is None:
        return Image.new("RGB", (PANEL_PX, PANEL_PX), BLANK)
    nearest = min(range(len(times_s)), key=lambda index: abs(times_s[index] - time_s))
    return Image.fromarray(frames[nearest])


def _paint(panel: Panel, picture: Image.Image) -> Image.Image:
    height = max(1, round(picture.height * PANEL_PX / picture.width))
    canvas = picture.resize((PANEL_PX, height))
    if panel.truth.mask is not None:
        canvas = _veiled(canvas, panel.truth.mask.bitmap())
    for marks, colour in ((panel.truth, TRUTH), (panel.answer, ANSWER)):
        _mark(ImageDraw.Draw(canvas), marks, colour, canvas.size)
    page = Image.new("RGB", (PANEL_PX, height + STRIP_PX), PAPER)
    page.paste(canvas, (0, 0))
    _caption(ImageDraw.Draw(page), panel.caption, height)
    return page


def _veiled(canvas: Image.Image, mask: NDArray[np.bool_]) -> Image.Image:
    scaled = np.asarray(Image.fromarray(mask).resize(canvas.size, Image.Resampling.NEAREST))
    pixels = np.asarray(canvas).astype(np.float32)
    pixels[scaled] = (1 - VEIL) * pixels[scaled] + VEIL * np.array(TRUTH)
    pixels[mask_boundary(scaled)] = TRUTH
    return Image.fromarray(pixels.astype(np.uint8))


def _mark(pen: ImageDraw.ImageDraw, marks: Marks, colour: Colour, size: tuple[int, int]) -> None:
    def place(x: float, y: float) -> tuple[float, float]:
        return min(max(x, 0), GRID) * size[0] / GRID, min(max(y, 0), GRID) * size[1] / GRID

    if marks.box is not None:
        (x1, y1), (x2, y2) = place(*marks.box[:2]), place(*marks.box[2:])
        pen.rectangle((min(x1, x2), min(y1, y2), max(x1, x2), max(y1, y2)), None, colour, 3)
    for x, y in (place(*point) for point in marks.positive):
        corners = (x - RADIUS_PX, y - RADIUS_PX, x + RADIUS_PX, y + RADIUS_PX)
        pen.ellipse(corners, colour, PAPER, 2)
    for x, y in (place(*point) for point in marks.negative):
        for slope in (1, -1):
            ends = (x - RADIUS_PX, y - slope * RADIUS_PX, x + RADIUS_PX, y + slope * RADIUS_PX)
            pen.line(ends, PAPER, 6)
            pen.line(ends, colour, 3)


def _caption(pen: ImageDraw.ImageDraw, text: str, top: int) -> None:
    font = ImageFont.load_default(15)
    x = 4.0
    for words, colour in (("answer", ANSWER), ("truth", TRUTH), (text, INK)):
        pen.text((x, top + 4), words, colour, font)
        x += pen.textlength(words, font) + 14


def _sheet(pictures: list[Image.Image]) -> Image.Image:
    columns = min(COLUMNS, len(pictures))
    rows = -(-len(pictures) // columns)
    tall = max(picture.height for picture in pictures)
    size = (columns * (PANEL_PX + GAP_PX) + GAP_PX, rows * (tall + GAP_PX) + GAP_PX)
    sheet = Image.new("RGB", size, PAPER)
    for index, picture in enumerate(pictures):
        row, column = divmod(index, columns)
        sheet.paste(
            picture, (GAP_PX + column * (PANEL_PX + GAP_PX), GAP_PX + row * (tall + GAP_PX))
        )
    return sheet
