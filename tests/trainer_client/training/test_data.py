"""Tests for `trainer_client.training.data`."""

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from trainer_client.training.data import Question, questions_for_step, read_questions
from trainer_client.training.errors import BadQuestion

ONETHINKER = {
    "problem_id": 17,
    "problem": "<image>What is this?",
    "problem_type": "multiple choice",
    "data_type": "image",
    "options": ["A. a cat", "B. a dog"],
    "solution": "<answer>A</answer>",
    "images": ["cat.png"],
}


def read(line):
    """A question from a line of a file in /data."""
    return Question.read(line, number=3, folder=Path("/data"))


def test_a_line_of_onethinker_is_read_as_its_trainer_shows_it():
    """Options follow the question; images are found beside the file."""
    question = read(ONETHINKER)
    assert question.id == "17"
    assert question.prompt == "<image>What is this?\nOptions:\nA. a cat\nB. a dog"
    assert (question.kind, question.media_type) == ("multiple choice", "image")
    assert question.ground_truth == "<answer>A</answer>"
    assert question.images == (Path("/data/cat.png"),)
    assert question.task_key == "multiple_choice"


def test_our_own_field_names_are_read():
    """The names of the wire contract, and examples to show first."""
    question = read(
        {
            "id": "q1",
            "prompt": "When?",
            "kind": "temporal_grounding",
            "ground_truth": {"time": [1, 2]},
            "task": "clips",
            "examples": [["When?", "now"]],
        }
    )
    assert question.ground_truth == {"time": [1, 2]}
    assert question.task_key == "clips"
    assert question.examples == (("When?", "now"),)


@pytest.mark.parametrize(
    ("kind", "media_type", "task"),
    [
        ("OCR", None, "ocr"),
        ("spatial-temporal grounding", "video", "spatial_temporal_grounding"),
        ("segmentation", "video", "segmentation/video"),
        ("segmentation", None, "segmentation/image"),
    ],
)
def test_the_task_is_the_kind_and_segmentation_is_split_by_medium(kind, media_type, task):
    """As the service names tasks that the caller does not."""
    assert Question("1", "?", kind, "x", media_type=media_type).task_key == task


def test_images_and_videos_without_marks_stand_before_the_question():
    """One mark is put in for each; videos follow them."""
    plain = ONETHINKER | {"problem": "What?", "options": None}
    assert read(plain).prompt == "<image>What?"
    assert read(plain | {"videos": ["a.mp4", "b.mp4"]}).prompt == "<image><video><video>What?"


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"problem": None}, "line 3: expected one of problem, prompt"),
        ({"problem_type": None}, "line 3: expected one of kind, problem_type"),
        ({"solution": None}, "line 3: expected one of ground_truth, solution, answer"),
        ({"problem": "<image><image>?"}, "expected 1 <image> marks, one for each; got 2"),
        ({"problem": "<image><video>?"}, "expected 0 <video> marks, one for each; got 1"),
        ({"problem": ["What?"]}, r"problem or prompt: expected text; got \['What\?'\]"),
        ({"problem_type": 3}, "kind or problem_type: expected text; got 3"),
        ({"data_type": []}, r"media_type or data_type: expected text; got \[\]"),
        ({"task": {}}, "task: expected text; got {}"),
        ({"problem_id": 1.5}, "id or problem_id: expected text or a whole number; got 1.5"),
        ({"images": {"path": "a"}}, "images: expected text or a list of texts; got {'path': 'a'}"),
        ({"images": [b"a"]}, "images: expected text or a list of texts"),
        ({"options": ["A", 2]}, r"options: expected text or a list of texts; got \['A', 2\]"),
        ({"examples": "Hi"}, r"examples: expected a list of \[question, response\]; got 'Hi'"),
        ({"examples": ["Hi"]}, r"examples: expected a list of \[question, response\]"),
        ({"examples": [["a", "b", "c"]]}, r"examples: expected a list of \[question, response\]"),
    ],
)
def test_a_line_that_cannot_be_asked_is_refused(change, message):
    """The line and what it lacks."""
    with pytest.raises(BadQuestion, match=message):
        read(ONETHINKER | change)


def test_text_alone_is_a_list_of_one():
    """It is not taken letter by letter."""
    question = read(ONETHINKER | {"images": "cat.png", "options": "A. a cat"})
    assert question.images == (Path("/data/cat.png"),)
    assert question.prompt == "<image>What is this?\nOptions:\nA. a cat"
    assert read(ONETHINKER | {"videos": "", "options": ""}).videos == ()


def test_an_empty_solution_does_not_hide_the_answer():
    """The first name that is filled counts; where all are empty, that is the truth."""
    assert read(ONETHINKER | {"solution": "", "answer": "B"}).ground_truth == "B"
    assert read(ONETHINKER | {"solution": ""}).ground_truth == ""


def test_a_file_is_read_line_by_line(tmp_path):
    """Blank lines are skipped and still counted; a line's number is its id if it has none.

    Only a line feed ends a line: JSON may hold the other separators of Unicode as they are.
    """
    path = tmp_path / "train.jsonl"
    line = '{"prompt": "a\u2028b", "kind": "ocr", "ground_truth": "b"}'
    path.write_text(f"{line}\r\n\n{line}\n", encoding="utf-8")
    assert [question.id for question in read_questions(path)] == ["1", "3"]


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (None, "No such file"),
        ("", "expected at least one question"),
        ("{", "line 1"),
        ("[1]", r"train\.jsonl: line 1: expected a JSON object"),
        ('{"prompt": 1, "kind": "ocr", "ground_truth": 1}', r"train\.jsonl: line 1: problem or"),
        ("[" * 100_000, "line 1"),
        ("\udcff", r"train\.jsonl: .*can't decode"),
    ],
)
def test_a_file_without_questions_is_refused(tmp_path, content, message):
    """Missing, empty, not JSON, not objects."""
    path = tmp_path / "train.jsonl"
    if content is not None:
        path.write_bytes(content.encode(errors="surrogateescape"))
    with pytest.raises(BadQuestion, match=message):
        read_questions(path)


@given(st.integers(1, 12), st.integers(1, 7), st.integers(0, 5), st.booleans())
def test_every_pass_asks_every_question_once(size, count, seed, shuffle):
    """Whatever the step's size, the sequence of all steps is pass after pass over the file."""
    questions = tuple(Question(str(i), "?", "ocr", "x") for i in range(size))
    asked = [
        question.id
        for step in range(1, 3 * size + 1)
        for question in questions_for_step(questions, step, count, seed=seed, shuffle=shuffle)
    ]
    everything = sorted(question.id for question in questions)
    for start in range(0, 3 * size, size):
        one_pass = asked[start : start + size]
        assert sorted(one_pass) == everything
        assert shuffle or one_pass == [question.id for question in questions]


def test_the_order_changes_with_the_seed_and_from_pass_to_pass():
    """Shuffling shuffles."""
    questions = tuple(Question(str(i), "?", "ocr", "x") for i in range(20))
    first, second, other = (
        [q.id for q in questions_for_step(questions, step, 20, seed=seed, shuffle=True)]
        for step, seed in ((1, 0), (2, 0), (1, 1))
    )
    assert len({tuple(first), tuple(second), tuple(other)}) == 3
