"""Tests for `trainer_client.training.display`."""

import io
from dataclasses import replace

from rich.console import Console

from tests.trainer_client.training.test_journal import step, task
from trainer_client.training.display import Display
from trainer_client.training.records import EvaluationRecord


def show(*records):
    """What a person sees of some records."""
    screen = io.StringIO()
    with Display(4, Console(file=screen, width=120)) as display:
        for record in records:
            display.watch(record)
    return screen.getvalue()


def test_the_bar_tells_of_the_newest_step():
    """How far, and how well."""
    shown = show(step(1, math=0.25), step(2, math=0.5))
    assert "2/4" in shown
    assert "reward 0.50" in shown


def test_an_evaluation_is_told_task_by_task():
    """A task without a verdict is called so; one without a place in a group has its score."""
    judged = replace(task(None), parts={"raw_score": -9.25})
    tasks = {"math": task(0.75), "ocr": task(None), "caption": judged}
    shown = show(EvaluationRecord(3, 0.75, tasks))
    assert "reward 0.75 (math 0.75, ocr unscored, caption raw score -9.25)" in shown
