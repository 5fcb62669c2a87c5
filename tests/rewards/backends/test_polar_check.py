"""Tests for `rewards.backends.polar_check`."""

import asyncio

import pytest

from rewards.backends.polar_check import PUBLISHED, check_published
from rewards.backends.polar_transformers.model import PolarTransformers
from rewards.errors import ModelFailed
from tests.polar_checkpoints import RandomPolar


class Oracle:
    """A model that knows the published scores, or whatever else it was told."""

    scorer = "polar:oracle"

    def __init__(self, answers=()):
        self._answers = {p.comparison: p.score for p in PUBLISHED} | dict(answers)

    async def compare(self, comparisons, *, deadline=None):  # noqa: ARG002 - it is never late
        """What it knows."""
        return [self._answers[comparison] for comparison in comparisons]


def test_the_published_model_has_no_difference():
    """Nine examples, each with its published score."""
    report = asyncio.run(check_published(Oracle()))
    assert len(report.rows) == 9
    assert report.largest_difference == 0.0


def test_a_difference_is_told_with_its_sign():
    """A score half a point too low is -0.5 away."""
    off = PUBLISHED[1]
    report = asyncio.run(check_published(Oracle({off.comparison: off.score - 0.5})))
    assert report.rows[1].difference == pytest.approx(-0.5)
    assert report.largest_difference == pytest.approx(0.5)


def test_without_a_score_there_is_no_difference():
    """A failure is not a distance, and leaves the whole without one."""
    away = {PUBLISHED[0].comparison: ModelFailed("away")}
    report = asyncio.run(check_published(Oracle(away)))
    assert report.rows[0].difference is None
    assert report.largest_difference is None


def test_the_published_order_is_kept():
    """Better answers to the letter question have higher published scores, as listed."""
    letters = [p.score for p in PUBLISHED if "strawberry" in p.comparison.prompt]
    assert letters == sorted(letters, reverse=True)
    assert len({p.comparison for p in PUBLISHED}) == len(PUBLISHED)


def test_a_real_checkpoint_is_checked(tmp_path):
    """A folder goes all the way to numbers beside the published ones."""

    async def run():
        model = PolarTransformers(RandomPolar(layers=1).write(tmp_path / "POLAR-tiny"))
        await model.start()
        report = await check_published(model)
        await model.close()
        return report

    report = asyncio.run(run())
    assert report.scorer == "polar:POLAR-tiny"
    assert report.largest_difference > 0
