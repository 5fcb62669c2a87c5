"""Tests for lines of a file as samples."""

import json

import pytest

from service.commands.rows import BadLine, read_row


def line(**fields):
    """A line with everything that is required, and `fields`."""
    return json.dumps({"kind": "ocr", "response": "a", "ground_truth": "b"} | fields).encode()


def test_our_own_names_are_read():
    """A line is what an item of `POST /reward` is."""
    row = read_row(7, line(id="p1/0", media_type="image", prompt="?", group="p1", task="t"))
    assert (row.line, row.id, row.label) == (7, "p1/0", "t")
    assert row.sample.prompt == "?"
    assert row.sample.group == "p1"


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
    ("text", "complaint"),
    [
        (b'{"kind": }', "expected JSON: Expecting value at column 10"),
        (b'"\xff"', "expected JSON: 'utf-8' codec can't decode"),
        (b"[" * 100_000, "expected JSON: maximum recursion depth"),
        (b"9" * 5_000, "expected JSON: Exceeds the limit"),
        (b"[]", "expected an object, got list"),
        (b'{"kind": "ocr", "response": "a"}', "a field named ground_truth or solution or answer"),
        (b'{"response": "a", "ground_truth": "a"}', "a field named kind or problem_type"),
        (line(response=["a"]), "response: expected text, got list"),
        (line(id=1.5), "id: expected text, got float"),
    ],
)
def test_a_bad_line_says_why(text, complaint):
    """A line that is no sample is named with what was expected."""
    with pytest.raises(BadLine, match=complaint):
        read_row(1, text)
