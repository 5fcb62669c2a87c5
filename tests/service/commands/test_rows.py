"""Tests for lines of a file as samples."""

import json

import pytest

from rewards.errors import BadRequest, BadTruth
from service.commands.rows import read_row


def line(**fields):
    """A line with everything that is required, and `fields`."""
    return json.dumps({"kind": "ocr", "response": "a", "ground_truth": "b"} | fields).encode()


def test_our_own_names_are_read():
    """A line is what an item of `POST /reward` is."""
    row = read_row(7, line(id="p1/0", media_type="image", prompt="?", group="p1", task="t"))
    assert (row.line, row.id, row.label, row.fault) == (7, "p1/0", "ocr", None)
    sample = row.sample
    assert (sample.prompt, sample.group, sample.task) == ("?", "p1", "t")


def test_the_names_of_the_released_data_are_read():
    """OneThinker's records are scored as they are."""
    text = json.dumps(
        {
            "problem_id": 12,
            "problem_type": "segmentation",
            "data_type": "video",
            "problem": "where?",
            "solution": "<answer>{}</answer>",
            "response": "x",
            "path": "ignored.mp4",
        }
    )
    row = read_row(1, text.encode())
    assert (row.id, row.label) == ("12", "segmentation/video")
    sample = row.sample
    assert (sample.kind, sample.media_type, sample.group) == ("segmentation", "video", "12")
    assert (sample.prompt, sample.ground_truth) == ("where?", "<answer>{}</answer>")


def test_a_truth_may_be_json():
    """A truth that was parsed already is taken as it is."""
    assert read_row(1, line(ground_truth={"time": [0, 1]})).sample.ground_truth == {"time": [0, 1]}


def test_our_name_comes_before_theirs():
    """Where a record has both, ours is meant."""
    assert read_row(1, line(answer="c", solution="d")).sample.ground_truth == "b"


def test_unknown_kinds_are_summed_up_under_one_name():
    """A misspelt kind does not stop a file, nor does it make a row of its own."""
    assert read_row(1, line(kind="telepathy")).label == "(unknown kind)"


@pytest.mark.parametrize(
    ("text", "label", "complaint"),
    [
        (b'{"kind": }', "(no kind)", "expected JSON: Expecting value at column 10"),
        (b'"\xff"', "(no kind)", "expected JSON: 'utf-8' codec can't decode"),
        (b"[" * 100_000, "(no kind)", "expected JSON: maximum recursion depth"),
        (b"9" * 5_000, "(no kind)", "expected JSON: Exceeds the limit"),
        (b"[]", "(no kind)", "expected an object, got list"),
        (
            b'{"response": "a", "ground_truth": "a"}',
            "(no kind)",
            "a field named kind or problem_type",
        ),
        (line(response=None), "ocr", "a field named response that is not null"),
        (line(response=["a"]), "ocr", "response: expected text, got list"),
        (line(id=1.5), "ocr", "id: expected text, got float"),
        (line(id=["a"]), "ocr", "id: expected text, got list"),
        (line(media="a.png"), "ocr", "media: expected"),
    ],
)
def test_a_bad_line_says_why(text, label, complaint):
    """A line that is no sample still has its kind, where that can be read."""
    row = read_row(1, text)
    assert row.label == label
    assert isinstance(row.fault, BadRequest)
    assert complaint in str(row.fault)


@pytest.mark.parametrize("text", [line(ground_truth=None), b'{"kind": "ocr", "response": "a"}'])
def test_a_line_without_a_truth_is_the_data_sets_fault(text):
    """It is counted as every truth that cannot be read, and the response is still seen."""
    row = read_row(1, text)
    assert isinstance(row.fault, BadTruth)
    assert "a field named ground_truth or solution or answer" in str(row.fault)
    assert row.sample.response == "a"
