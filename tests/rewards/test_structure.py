"""Tests for `rewards.structure`."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rewards.structure import (
    BOX,
    IMAGE_PROMPTS,
    NO_PROMPTS,
    SPAN,
    TEXT,
    TRACK,
    TUBE,
    VIDEO_PROMPTS,
)
from tests.strategies import hostile_answers

SHAPES = [TEXT, SPAN, BOX, TUBE, TRACK, IMAGE_PROMPTS, VIDEO_PROMPTS, NO_PROMPTS]
POINTS = '"positive_points": [[1,2],[3,4],[5,6]], "negative_points": [[1,2],[3,4],[5,6]]'
FRAMES = ("1", "2", "3", "4")


@pytest.mark.parametrize(
    ("shape", "text", "reward", "fits"),
    [
        pytest.param(TEXT, "", 0.5, True, id="text"),
        pytest.param(SPAN, '{"time": [1, 2]}', 0.5, True, id="span"),
        pytest.param(SPAN, '{"time": [NaN, 2]}', 0.5, False, id="span-not-finite"),
        pytest.param(SPAN, '{"time": ["1", true]}', 0.5, False, id="span-lenient"),
        pytest.param(SPAN, "1-2", 0.0, False, id="span-none"),
        pytest.param(BOX, '{"boxes": [1, 2, 3, 4]}', 0.5, True, id="box"),
        pytest.param(BOX, '{"boxes": null}', 0.0, False, id="box-none"),
        pytest.param(TRACK, '{"boxes": {}}', 0.25, False, id="track-hole"),
        pytest.param(TRACK, '{"boxes": {"1": [0,0,1,1], "2": [0,0,1,1]}}', 0.375, True, id="half"),
        pytest.param(TRACK, '{"boxes": {"1": [0], "2": [0,0,1,1]}}', 0.125, False, id="track-bad"),
        pytest.param(TRACK, "{}", 0.0, False, id="track-none"),
        pytest.param(TUBE, '{"time": ["a","b"], "boxes": {}}', 0.25, False, id="tube-any-two"),
        pytest.param(TUBE, '{"boxes": {"1": [0,0,1,1]}}', 0.0625, False, id="tube-no-time"),
        pytest.param(TUBE, '{"time": [1,2], "boxes": {"1": [0,0,1,1]}}', 0.3125, True, id="tube"),
        pytest.param(IMAGE_PROMPTS, f'{{"boxes": [0,0,1,1], {POINTS}}}', 0.5, True, id="image"),
        pytest.param(IMAGE_PROMPTS, f'{{"boxes": null, {POINTS}}}', 0.0, False, id="image-no-box"),
        pytest.param(VIDEO_PROMPTS, f'{{"boxes": [0,0,1,1], {POINTS}}}', 0.0, False, id="no-time"),
        pytest.param(
            VIDEO_PROMPTS, f'{{"time": 1, "boxes": [0,0,1,1], {POINTS}}}', 0.5, True, id="video"
        ),
        pytest.param(NO_PROMPTS, f'{{"boxes": [0,0,1,1], {POINTS}}}', 0.0, True, id="no-media"),
    ],
)
def test_worked_by_hand(shape, text, reward, fits):
    """What the released reward gives leniently, and whether the strict schema is met."""
    assert shape.reward(shape.read(text, False), FRAMES) == pytest.approx(reward)
    assert shape.fits(shape.read(text, True)) is fits


@pytest.mark.parametrize("shape", SHAPES, ids=lambda shape: shape.name)
@given(answer=hostile_answers, frames=st.lists(st.sampled_from(FRAMES), unique=True))
def test_no_answer_leaves_the_range(shape, answer, frames):
    """Whatever the policy writes, the reward lies in [0, 0.5] and the schema has an opinion."""
    for strict in (True, False):
        read = shape.read(answer, strict)
        assert 0.0 <= shape.reward(read, frames) <= 0.5
        assert shape.fits(read) in (True, False)
