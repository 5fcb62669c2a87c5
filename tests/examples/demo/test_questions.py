"""Tests for the questions of the demo."""

import random

import pytest

from examples.demo.questions import KINDS, write_questions
from rewards.pipeline import score_batch
from rewards.sample import Sample
from rewards.specs import ONETHINKER_RELEASED
from trainer_client.training.data import read_questions


def pose(kind, count=20):
    """Some puzzles of a kind."""
    dice = random.Random(0)
    return [KINDS[kind](dice) for _ in range(count)]


@pytest.mark.parametrize("kind", KINDS)
def test_the_response_that_is_shown_as_an_example_earns_full_marks(kind):
    """What the model is shown is right, in form and in content."""
    samples = [Sample(kind, each.response, each.answer) for each in pose(kind)]
    verdicts = score_batch(samples, ONETHINKER_RELEASED)
    assert [(verdict.accuracy, verdict.format) for verdict in verdicts] == [(1.0, 1.0)] * 20


@pytest.mark.parametrize("kind", KINDS)
def test_puzzles_differ(kind):
    """A kind asks many different things."""
    assert len({each.prompt for each in pose(kind)}) > 10


def test_the_correct_letter_is_not_always_the_same():
    """Neither option can be learned blindly."""
    assert {each.answer for each in pose("multiple_choice")} == {"A", "B"}


def test_every_round_asks_one_question_of_each_kind(tmp_path):
    """The file is what the trainer reads, and a function of the seed."""
    one, two, other = (tmp_path / name for name in ("one", "two", "other"))
    for path, seed in ((one, 0), (two, 0), (other, 1)):
        write_questions(path, 3, seed=seed)
    questions = read_questions(one)
    assert [question.kind for question in questions] == [*KINDS] * 3
    assert all(len(question.examples) == 1 for question in questions)
    assert one.read_text() == two.read_text() != other.read_text()
