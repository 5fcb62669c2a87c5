"""Tests for the ablation's puzzles: the service reads every answer, and blur costs its reward."""

import random
from statistics import fmean

import pytest

from examples.ablation.puzzles import LAST, LEVELS, TASKS, Puzzle, pose_all, write_questions
from rewards.pipeline import score_batch
from rewards.sample import Sample
from rewards.specs import ONETHINKER_PAPER
from trainer_client.training.data import read_questions

BEST = {"numerical": 2.0, "temporal_grounding": 2.0, "ocr": 2.0, "segmentation": 4.0}

tasks = pytest.mark.parametrize("task", TASKS, ids=lambda task: task.kind)


def pose(task, level, count=200):
    """Some puzzles of a task."""
    dice = random.Random(0)
    return [Puzzle(task, level, *task.pose(dice)) for _ in range(count)]


def verdicts(puzzles, write):
    """What the paper's equations say of what is written for each puzzle."""
    samples = [
        Sample(
            puzzle.task.kind,
            write(puzzle),
            puzzle.task.write(puzzle.right),
            media_type=puzzle.task.media_type,
        )
        for puzzle in puzzles
    ]
    return score_batch(samples, ONETHINKER_PAPER)


def blurred(task, level):
    """The rewards of answers as the cold start teaches them."""
    dice = random.Random(1)
    return [
        verdict.reward
        for verdict in verdicts(pose(task, level), lambda puzzle: puzzle.response(dice))
    ]


@tasks
def test_the_right_answer_earns_the_most(task):
    """What is taught without blur is right, in form and in content."""
    puzzles = pose(task, "easy")
    right = verdicts(
        puzzles,
        lambda puzzle: f"<think></think><answer>{task.write(puzzle.right)}</answer>",
    )
    assert [verdict.reward for verdict in right] == pytest.approx([BEST[task.kind]] * len(puzzles))


@tasks
def test_harder_prompts_earn_less(task):
    """The more an answer is blurred the lower its reward, but its form is always right."""
    means = [fmean(blurred(task, level)) for level in LEVELS]
    assert BEST[task.kind] > means[0] > means[1] > means[2] >= 1.0


def test_rewards_differ_in_density():
    """Sums are right or wrong, spans of time always nearly right."""
    sums, spans = (
        {reward for level in LEVELS for reward in blurred(task, level)} for task in TASKS[:2]
    )
    assert sums == {1.0, 2.0}
    assert len(spans) > 5
    assert min(spans) > 1.7


@tasks
def test_numbers_stay_on_the_grid(task):
    """Whatever is told, right or blurred is a number that the policy has a word for."""
    dice = random.Random(2)
    for puzzle in pose(task, "hard"):
        slots = [*puzzle.told, *puzzle.right, *task.blurred(puzzle.right, "hard", dice)]
        assert set(slots) <= set(range(LAST + 1))


def test_a_round_asks_every_task_at_every_level(tmp_path):
    """The file is what the trainer reads, a function of the seed, and ids end in the level."""
    write_questions(tmp_path / "a.jsonl", 3, seed=1)
    write_questions(tmp_path / "b.jsonl", 3, seed=1)
    write_questions(tmp_path / "c.jsonl", 3, seed=2)
    one, two, other = (read_questions(tmp_path / f"{name}.jsonl") for name in "abc")
    assert one == two != other
    asked = [(question.kind, question.id.rpartition("/")[2]) for question in one]
    assert asked == 3 * [(task.kind, level) for task in TASKS for level in LEVELS]
    assert len({puzzle.prompt for puzzle in pose_all(random.Random(0))}) == 12
