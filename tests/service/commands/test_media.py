"""Tests for media that lines name, through `reward-service score`."""

import base64
import json

import pytest
from typer.testing import CliRunner

from rewards.maths.masks import Overlap, cumulative_iou
from service.cli import build_cli
from service.commands.media import MediaFiles
from tests import coins
from tests.real_media import coins as coins_file
from tests.tiny_sam2 import save_tiny_sam2

MASKS = coins.masks()[:4]


def line(mask, **changes):
    """One mask item about the photograph beside the file."""
    return {
        "kind": "mask",
        "media_type": "image",
        "response": coins.response(mask),
        "ground_truth": coins.truth(mask),
        "media": {"image": "coins.png"},
        **changes,
    }


@pytest.fixture(scope="module")
def scored(tmp_path_factory):
    """A file of mask items, scored with a tiny SAM 2: the process and the results."""
    folder = tmp_path_factory.mktemp("masks")
    save_tiny_sam2(folder / "tiny")
    (folder / "coins.png").write_bytes(coins_file())
    (folder / "notes.txt").write_text("no picture")
    rows = [
        *(line(mask) for mask in MASKS),
        line(MASKS[0], response="<think>a</think><answer>no box</answer>"),
        line(MASKS[0], media={"image": "gone.png"}),
        line(MASKS[0], media={"image": "notes.txt"}),
        line(MASKS[1], media={"image": {"base64": base64.b64encode(coins_file()).decode()}}),
        {"kind": "ocr", "response": "<think>a</think><answer>a</answer>", "ground_truth": "a"},
        line(MASKS[0], kind="ocr", ground_truth="a", media={"image": "gone.png"}),
    ]
    (folder / "rows.jsonl").write_text("\n".join(map(json.dumps, rows)))
    options = ["--sam2", folder / "tiny", "--sam2-device", "cpu", "--out", folder / "out.jsonl"]
    arguments = ["score", str(folder / "rows.jsonl"), *map(str, options)]
    done = CliRunner().invoke(build_cli("score"), arguments)
    return done, [json.loads(text) for text in (folder / "out.jsonl").read_text().splitlines()]


def test_masks_of_a_file_are_scored_and_summed_up(scored):
    """The table has the mean IoU and the IoU of all pixels, a miss counted with its truth."""
    done, results = scored
    assert done.exit_code == 0, done.output
    assert [result["status"] for result in results] == ["scored"] * 5 + ["unscored"] * 2 + [
        "scored"
    ] * 3
    assert results[7]["parts"] == results[1]["parts"]
    pixels = [result["parts"] for result in (*results[:5], results[7])]
    overlaps = [Overlap(parts["intersection_px"], parts["union_px"]) for parts in pixels]
    assert overlaps[4] == Overlap(0, int(MASKS[0].sum()))
    [row] = [text for text in done.stdout.splitlines() if "mask/image" in text]
    mean = sum(overlap.iou for overlap in overlaps) / 6
    assert f"gIoU {mean:.3f}, cIoU {cumulative_iou(overlaps):.3f}" in row
    assert "bad_media 2" in row


def test_files_that_cannot_be_used_are_named_by_their_line(scored):
    """The reason stands beside the number of the line."""
    complaints = [text for text in scored[0].stderr.splitlines() if text.startswith("line ")]
    assert [text.partition(":")[0] for text in complaints] == ["line 6", "line 7"]
    assert "gone.png" in complaints[0]
    assert "expected JPEG, PNG or WebP" in complaints[1]


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        ({"image": "a.png"}, MediaFiles(image="a.png")),
        ({"video": "a.mp4"}, MediaFiles(video="a.mp4")),
        ({"frames": ["a.png", "b.png"], "fps": 1}, MediaFiles(frames=("a.png", "b.png"), fps=1.0)),
        ({"image": {"base64": "YQ=="}}, MediaFiles(image=b"a")),
        ({"video": {"base64": "YQ==", "fps": 5}}, MediaFiles(video=b"a", fps=5.0)),
        ({"image": {"sha256": "0" * 64}}, None),
        ({"video": {"frames": ["0" * 64]}}, None),
    ],
)
def test_media_are_files_or_content_or_hashes_of_what_is_elsewhere(value, expected):
    """A hash names content that only a service has."""
    assert MediaFiles.read(value) == expected


@pytest.mark.parametrize(
    "value",
    [
        "a.png",
        {},
        {"image": 3},
        {"image": {}},
        {"image": {"base64": "%%%"}},
        {"image": {"url": "http://127.0.0.1/"}},
        {"frames": [3]},
        {"video": "a.mp4", "fps": 0},
        {"video": {"base64": "YQ==", "fps": 0}},
    ],
)
def test_media_that_are_neither_are_refused(value):
    """The message says what a line may name."""
    with pytest.raises(ValueError, match="expected"):
        MediaFiles.read(value)


def test_a_checkpoint_that_is_none_ends_the_command(tmp_path):
    """One line says what was expected."""
    (tmp_path / "rows.jsonl").write_text("")
    arguments = ["score", str(tmp_path / "rows.jsonl"), "--sam2", str(tmp_path)]
    done = CliRunner().invoke(build_cli("score"), arguments)
    assert done.exit_code == 1
    assert "sam2: expected a SAM 2 checkpoint" in done.stderr


def test_what_runs_a_checkpoint_can_be_chosen(tmp_path):
    """The option reaches the settings, which know the backends."""
    (tmp_path / "rows.jsonl").write_text("")
    arguments = ["score", str(tmp_path / "rows.jsonl"), "--sam2", "x.pt", "--sam2-backend", "jax"]
    done = CliRunner().invoke(build_cli("score"), arguments)
    assert done.exit_code == 1
    assert "sam2_backend: Input should be 'transformers' or 'native'" in done.stderr
