"""Tests for `trainer_client.training.journal`, `report` and `plots`: what a run leaves to read."""

import time

import pytest
from PIL import Image
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

from trainer_client.training.journal import EVALUATIONS, STEPS, Journal, read_journal
from trainer_client.training.learning import Update
from trainer_client.training.plots import draw_run
from trainer_client.training.records import EvaluationRecord, StepRecord, TaskRecord
from trainer_client.training.report import Change, measure_progress, measure_reward


def task(reward, std=0.5):
    """A task's record."""
    return TaskRecord(8, 8, reward, 0.5, 1.0, 0.5, 20.0, {"iou": 0.75}, 1.0, std)


def step(number, **rewards):
    """A step's record with the given tasks."""
    return StepRecord(
        step=number,
        reward=sum(rewards.values()) / len(rewards),
        unscored=0,
        kept=1.0,
        length=20.0,
        update=Update(grad_norm=2.0),
        learning_rate=1e-3,
        seconds={"sample": 1.0},
        tasks={name: task(reward) for name, reward in rewards.items()},
    )


def test_what_is_written_is_read(tmp_path):
    """One line a step, evaluations in a file of their own."""
    with Journal(tmp_path, step=0) as journal:
        journal.write(step(1, math=0.25))
        journal.write(EvaluationRecord(1, 0.5, {"math": task(0.5, std=None)}))
    (record,) = read_journal(tmp_path / STEPS)
    assert (record["step"], record["tasks"]["math"]["reward"]) == (1, 0.25)
    assert record["update"]["grad_norm"] == 2.0
    (evaluation,) = read_journal(tmp_path / EVALUATIONS)
    assert evaluation["reward"] == 0.5


def test_a_resumed_journal_forgets_the_steps_that_will_be_taken_again(tmp_path):
    """No step is on record twice."""
    with Journal(tmp_path, step=0) as journal:
        for number in (1, 2, 3):
            journal.write(step(number, math=0.0))
    with Journal(tmp_path, step=1) as journal:
        journal.write(step(2, math=1.0))
    records = read_journal(tmp_path / STEPS)
    assert [(each["step"], each["reward"]) for each in records] == [(1, 0.0), (2, 1.0)]


def test_a_line_that_a_crash_cut_short_is_dropped(tmp_path):
    """The step it tells of comes after the checkpoint and is taken again."""
    with Journal(tmp_path, step=0) as journal:
        journal.write(step(1, math=0.0))
    with (tmp_path / STEPS).open("a") as file:
        file.write('{"step": 2, "rew')
    with Journal(tmp_path, step=1):
        pass
    assert [each["step"] for each in read_journal(tmp_path / STEPS)] == [1]


def test_tensorboard_gets_every_number(tmp_path):
    """Nested records become names with slashes; what is not there is left out."""
    with Journal(tmp_path, step=0) as journal:
        journal.write(step(1, math=0.25))
        journal.write(EvaluationRecord(1, 0.5, {"math": task(0.5, std=None)}))
    board = EventAccumulator(str(tmp_path / "tensorboard")).Reload()
    tags = board.Tags()["scalars"]
    assert board.Scalars("train/tasks/math/reward")[0].value == 0.25
    assert {"train/update/grad_norm", "train/seconds/sample", "eval/reward"} <= set(tags)
    assert "train/tasks/math/std" in tags
    assert board.Scalars("train/tasks/math/parts/iou")[0].value == 0.75
    assert "eval/tasks/math/std" not in tags


def test_closing_waits_for_no_thread_that_an_interrupt_left_asleep(tmp_path):
    """Ctrl-C in the middle of an event may lose what wakes the thread that writes TensorBoard's."""
    with Journal(tmp_path, step=0) as journal:
        queue = journal._board._get_file_writer().event_writer._async_writer._byte_queue
        while not queue.not_empty._waiters:
            time.sleep(0.01)
        # So an interrupt within `Condition.notify` leaves it.
        queue.not_empty._waiters.clear()
        began = time.monotonic()
    assert time.monotonic() - began < 60


RUN = [
    {
        "step": number,
        "reward": number / 8,
        "tasks": {
            "math": {"reward": number / 8, "accuracy": 0.0, "format": 1.0, "std": number},
            **({} if number % 2 else {"ocr": {"reward": None, "accuracy": 1.0, "std": None}}),
        },
    }
    for number in range(1, 9)
]


def test_progress_is_the_first_quarter_beside_the_last():
    """Two of eight steps each; a task that was not asked or not scored takes no part."""
    math, ocr = measure_progress(RUN)
    assert math.reward == Change(pytest.approx(1.5 / 8), pytest.approx(7.5 / 8))
    assert (math.std, ocr.std) == (8, None)
    assert ocr.reward == Change(None, None)
    assert ocr.accuracy == Change(1.0, 1.0)
    assert measure_reward(RUN) == Change(pytest.approx(1.5 / 8), pytest.approx(7.5 / 8))


def test_a_picture_is_drawn(tmp_path):
    """Both panels have ink, in the colour of the first task."""
    path = tmp_path / "run.png"
    draw_run(RUN, path, title="a run")
    with Image.open(path) as picture:
        assert picture.width > 800
        left, right = (
            picture.convert("RGB").crop((x, 0, x + picture.width // 2, picture.height))
            for x in (0, picture.width // 2)
        )
        for panel in (left, right):
            assert (0, 0x72, 0xB2) in {colour for _, colour in panel.getcolors(1 << 20)}
