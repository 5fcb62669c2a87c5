"""Tests for `rewards.kinds.segmentation`."""

import json
import math

import pytest
from hypothesis import given

from rewards.errors import BadTruth, MissingInput
from rewards.kinds.segmentation import (
    check_points,
    read_image_truth,
    read_video_truth,
    score_image,
    score_video,
    score_without_media,
)
from rewards.specs import ONETHINKER_PAPER, ONETHINKER_RELEASED, Spec
from rewards.text.answers import read_prompts
from tests.strategies import hostile_answers

SOURCE = {
    "boxes": [100, 100, 300, 400],
    "positive_points": [[150, 150], [200, 250], [250, 350]],
    "negative_points": [[110, 110], [290, 110], [110, 390]],
    "time": 3.0,
}
IMAGE, VIDEO = read_image_truth(SOURCE), read_video_truth(SOURCE)
SPECS = [ONETHINKER_RELEASED, ONETHINKER_PAPER]


def answer(**changes):
    """The perfect answer with some parts changed."""
    return read_prompts({**SOURCE, **changes})


@pytest.mark.parametrize(
    ("changes", "released", "paper"),
    [
        pytest.param({}, 1.0, 3.0, id="exact"),
        pytest.param({"boxes": [100, 100, 200, 400]}, 0.75, 2.5, id="half-the-box"),
        pytest.param({"boxes": None}, 0.5, 2.0, id="no-box"),
        pytest.param({"positive_points": SOURCE["positive_points"][::-1]}, 1.0, 3.0, id="order"),
        pytest.param(
            {"positive_points": [[p[0] + 30, p[1] + 40] for p in SOURCE["positive_points"]]},
            0.75 + 0.25 * math.exp(-0.5),
            2.0 + math.exp(-0.5),
            id="points-50-off",
        ),
        pytest.param({"negative_points": SOURCE["negative_points"][:2]}, 0.0, 0.0, id="two-points"),
        pytest.param({"positive_points": "x"}, 0.0, 0.0, id="no-points"),
        pytest.param({"time": math.nan}, 1.0, 3.0, id="a-time-is-not-asked-for"),
    ],
)
def test_images_worked_by_hand(changes, released, paper):
    """Box and points, weighted a half and two quarters, or summed."""
    for spec, expected in zip(SPECS, (released, paper), strict=True):
        assert score_image(answer(**changes), IMAGE, spec).value == pytest.approx(expected)


@pytest.mark.parametrize(
    ("changes", "released", "paper"),
    [
        pytest.param({}, 1.0, 4.0, id="exact"),
        pytest.param({"time": 5}, 0.7 + 0.3 * math.exp(-1), 3 + math.exp(-2), id="two-seconds"),
        pytest.param({"time": True}, 0.7 + 0.3 * math.exp(-1), 3 + math.exp(-2), id="a-boolean"),
        pytest.param({"time": "3"}, 0.0, 0.0, id="a-text"),
        pytest.param({"time": math.inf}, 0.0, 0.0, id="infinite"),
        pytest.param({"time": 10**400}, 0.0, 0.0, id="400-digits"),
        pytest.param({"boxes": None}, 0.7, 3.0, id="no-box"),
    ],
)
def test_videos_worked_by_hand(changes, released, paper):
    """The keyframe's time falls off as a Laplace kernel in the released code, else a Gaussian."""
    for spec, expected in zip(SPECS, (released, paper), strict=True):
        assert score_video(answer(**changes), VIDEO, spec).value == pytest.approx(expected)


@given(hostile_answers)
def test_no_answer_can_crash_the_judge(text):
    """Whatever the policy writes, the score lies between 0 and the sum of the weights."""
    for spec, highest in zip(SPECS, (1.0, 4.0), strict=True):
        prompts = read_prompts(text, strict=spec.answers == "strict")
        for score in (score_image, score_video):
            assert 0.0 <= score(prompts, VIDEO, spec).value <= highest


@pytest.mark.parametrize("point", [[math.nan, 1], [1e999, 1], ["inf", 1], [1e200, 0]])
def test_a_point_that_is_not_finite_misses(point):
    """One such point spoils the answer, and says so."""
    points = [point, [200, 250], [250, 350]]
    score = score_image(answer(positive_points=points), IMAGE, ONETHINKER_RELEASED)
    assert (score.value, score.reason) == (0.0, "a number is not finite")


def test_any_count_of_points_can_be_allowed():
    """A spec without a count scores one point against three by the nearest."""
    free = Spec(name="free", points_per_side=0)
    score = score_image(answer(positive_points=[[150, 150]]), IMAGE, free)
    assert score.value == pytest.approx(1.0)


@pytest.mark.parametrize(
    "changes",
    [{"boxes": None}, {"positive_points": []}, {"negative_points": "x"}, {"boxes": [1e999] * 4}],
)
def test_an_unreadable_truth_is_loud(changes):
    """A broken dataset is an error, not a zero."""
    with pytest.raises(BadTruth, match="expected"):
        read_image_truth(json.dumps({**SOURCE, **changes}))


@pytest.mark.parametrize("time", [None, "3", math.nan, 1e999])
def test_a_videos_truth_needs_a_time(time):
    """Without a keyframe the item cannot be judged."""
    with pytest.raises(BadTruth, match="finite seconds"):
        read_video_truth({**SOURCE, "time": time})


def test_a_truth_with_another_count_of_points_is_loud():
    """Three points a side are the spec's, the truth included."""
    truth = read_image_truth({**SOURCE, "positive_points": [[1, 1]]})
    with pytest.raises(BadTruth, match="expected 3 points"):
        check_points(truth, ONETHINKER_RELEASED)


def test_neither_image_nor_video():
    """The released code gives 0; a strict spec has no number for it."""
    assert score_without_media(None, None, ONETHINKER_RELEASED).value == 0.0
    with pytest.raises(MissingInput, match="'image' or 'video'"):
        score_without_media(None, None, ONETHINKER_PAPER)
