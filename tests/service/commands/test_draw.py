"""Tests for `reward-service draw`: what it puts where."""

import base64
import json

import numpy as np
import pytest
from PIL import Image
from typer.testing import CliRunner

from service.cli import build_cli
from service.commands.draw import ANSWER, BLANK, GAP_PX, PANEL_PX, STRIP_PX, TRUTH
from tests import coins
from tests.house.source import ROOT
from tests.real_media import bikes
from tests.real_media import coins as coins_file

EXAMPLE = ROOT / "examples" / "mask"
BOX = {"boxes": [100, 200, 500, 700]}


def run(folder, item):
    """Draw an item; return the finished command and the picture, if there is one."""
    (folder / "item.json").write_text(json.dumps(item))
    out = folder / "x.png"
    arguments = ["draw", str(folder / "item.json"), "--out", str(out)]
    done = CliRunner().invoke(build_cli("draw"), arguments)
    return done, np.asarray(Image.open(out)) if out.exists() else None


def item(kind, answer, truth, **more):
    """Write one item."""
    response = f"<think>a</think><answer>{json.dumps(answer)}</answer>"
    return {"kind": kind, "response": response, "ground_truth": truth, **more}


def at(picture, x, y, height=PANEL_PX):
    """The colour at a place of the grid, on the first panel."""
    return tuple(picture[GAP_PX + round(y * height / 1000), GAP_PX + round(x * PANEL_PX / 1000)])


def test_boxes_stand_where_they_say(tmp_path):
    """Orange is the answer, green the truth, the page grey without media."""
    truth = {"boxes": [300, 300, 900, 900]}
    done, picture = run(tmp_path, item("spatial_grounding", BOX, truth))
    assert done.exit_code == 0, done.output
    assert picture.shape == (PANEL_PX + STRIP_PX + 2 * GAP_PX, PANEL_PX + 2 * GAP_PX, 3)
    assert at(picture, 101, 400) == at(picture, 300, 201) == ANSWER
    assert at(picture, 301, 800) == at(picture, 800, 301) == TRUTH
    assert at(picture, 700, 600) == BLANK


def test_points_on_and_off_the_object_look_different(tmp_path):
    """A disc has its colour in the middle and left of it; a cross has it on its diagonals."""
    answer = {**BOX, "positive_points": [[250, 400]], "negative_points": [[800, 400]]}
    corners = {"positive_points": [[990, 990]] * 3, "negative_points": [[990, 10]] * 3}
    truth = {"boxes": [0, 0, 1, 1], **corners}
    done, picture = run(tmp_path, item("segmentation", answer, truth, media_type="image"))
    assert done.exit_code == 0, done.output
    step = 1000 / PANEL_PX
    assert at(picture, 250, 400) == at(picture, 250 - 3 * step, 400) == ANSWER
    assert at(picture, 800, 400) == at(picture, 800 + 4 * step, 400 + 4 * step) == ANSWER
    assert at(picture, 800 - 5 * step, 400) != ANSWER


@pytest.mark.parametrize(
    "image",
    ["coins.png", {"base64": base64.b64encode(coins_file()).decode()}],
    ids=["file", "content"],
)
def test_a_true_mask_is_laid_over_the_photograph(image, tmp_path):
    """The coin turns green, the background stays as it is, whether named or sent along."""
    (tmp_path / "coins.png").write_bytes(coins_file())
    mask = coins.masks()[2]
    photographed = item("mask", BOX, coins.truth(mask), media_type="image")
    done, picture = run(tmp_path, {**photographed, "media": {"image": image}})
    assert done.exit_code == 0, done.output
    x1, y1, x2, y2 = coins.box_of(mask)
    height = round(303 * PANEL_PX / 384)
    red, green, blue = map(int, at(picture, (x1 + x2) / 2, (y1 + y2) / 2, height))
    assert green > red
    assert green > blue
    red, green, blue = at(picture, 600, 20, height)
    assert red == green == blue


def test_a_video_gives_a_panel_for_each_frame_shown(tmp_path):
    """Six at the most, three in a row, each the frame at its time."""
    (tmp_path / "bikes.mp4").write_bytes(bikes().read_bytes())
    boxes = {"boxes": {str(i): [100, 100, 900, 900] for i in range(9)}}
    filmed = item("tracking", boxes, boxes, media_type="video")
    done, picture = run(tmp_path, {**filmed, "media": {"video": "bikes.mp4", "fps": 1}})
    assert done.exit_code == 0, done.output
    height = round(272 * PANEL_PX / 640)
    assert picture.shape[:2] == (
        2 * (height + STRIP_PX + GAP_PX) + GAP_PX,
        3 * (PANEL_PX + GAP_PX) + GAP_PX,
    )
    first = picture[GAP_PX + 60 : GAP_PX + height - 60, GAP_PX + 60 : GAP_PX + PANEL_PX - 60]
    right = 2 * (PANEL_PX + GAP_PX)
    third = picture[
        60 + GAP_PX : height - 60 + GAP_PX, GAP_PX + 60 + right : GAP_PX + PANEL_PX - 60 + right
    ]
    assert np.abs(first.astype(int) - third).mean() > 5


def test_a_list_of_frames_is_shown_too(tmp_path):
    """Frame k stands at k / fps."""
    for name, grey in (("a.png", 0), ("b.png", 255)):
        Image.new("RGB", (64, 64), (grey,) * 3).save(tmp_path / name)
    true = {"masks": {"0.5": {"size": [64, 64], "counts": [64 * 64]}}}
    framed = item("mask", {**BOX, "positive_points": [], "negative_points": []}, true)
    media = {"frames": ["a.png", "b.png"], "fps": 2}
    done, picture = run(tmp_path, {**framed, "media_type": "video", "media": media})
    assert done.exit_code == 0, done.output
    assert at(picture, 600, 600) == (255, 255, 255)


@pytest.mark.parametrize(
    ("item", "picture"), [("item.json", "drawn.png"), ("walk.json", "walk.jpg")]
)
def test_a_picture_of_the_readme_is_what_the_command_draws(item, picture, tmp_path):
    """Its item and its photograph or video lie beside it."""
    out = tmp_path / picture
    arguments = ["draw", str(EXAMPLE / item), "--out", str(out)]
    assert CliRunner().invoke(build_cli("draw"), arguments).exit_code == 0
    drawn, shown = (np.asarray(Image.open(path)).astype(int) for path in (out, EXAMPLE / picture))
    assert drawn.shape == shown.shape
    assert np.abs(drawn - shown).mean() < 1.0


@pytest.mark.parametrize(
    ("wrong", "complaint"),
    [
        pytest.param({"kind": "math"}, "expected one of", id="no-place"),
        pytest.param({"ground_truth": "?"}, "ground truth", id="no-truth"),
        pytest.param({"media": {"image": "gone.png"}}, "gone.png: No such file", id="no-file"),
        pytest.param({"media": {"image": "item.json"}}, "expected JPEG", id="no-picture"),
        pytest.param({"media": 3}, "media: expected", id="no-media"),
    ],
)
def test_what_cannot_be_drawn_is_told_in_one_line(tmp_path, wrong, complaint):
    """The command ends with 1, and no picture is left."""
    done, picture = run(tmp_path, {**item("spatial_grounding", BOX, BOX), **wrong})
    assert done.exit_code == 1
    assert complaint in done.stderr
    assert len(done.stderr.splitlines()) == 1
    assert picture is None
