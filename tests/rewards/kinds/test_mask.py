"""Tests for `rewards.kinds.mask`."""

import json
from itertools import chain

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from rewards.errors import BadTruth, MissingInput, NoModel
from rewards.kinds.mask import (
    GRID,
    MOST_POINTS,
    clip_truths,
    image_truth,
    judge_clip,
    judge_image,
    miss_clip,
    miss_image,
    prompt_clip,
    prompt_image,
)
from rewards.pipeline import score_batch
from rewards.ports import MaskPrompt, Segmented
from rewards.registry import lookup
from rewards.sample import Sample
from rewards.score import Score
from rewards.specs import ONETHINKER_PAPER, ONETHINKER_RELEASED
from rewards.text.answers import read_prompts
from rewards.text.masks import RunLengths
from tests.strategies import hostile_answers

GOOD = {"boxes": [10, 20, 300, 400], "positive_points": [[5, 6]], "negative_points": []}
TIMES = (0.0, 0.5, 1.0, 1.5)
TINY = {"size": [2, 2], "counts": [1, 3]}


def square(size, *, side=20):
    """Return a square of `size` in the corner of a field of `side`."""
    mask = np.zeros((side, side), dtype=bool)
    mask[:size, :size] = True
    return mask


def written(mask):
    """Write a mask as a truth."""
    return {"size": list(mask.shape), "counts": list(RunLengths.of(mask).counts)}


def answer(**changes):
    """Read the good answer with some fields changed."""
    return read_prompts({**GOOD, **changes})


def test_an_answer_becomes_a_prompt():
    """Box and points are taken as they are, on the grid of 0 to 1000."""
    assert prompt_image(answer()) == MaskPrompt((10.0, 20.0, 300.0, 400.0), ((5.0, 6.0),), ())


@given(hostile_answers)
def test_hostile_answers_become_prompts_on_the_grid_or_miss_with_a_reason(text):
    """Whatever the policy writes, the model is asked about numbers on the grid or not at all."""
    for strict in (True, False):
        told = read_prompts(text, strict=strict)
        for prompt in (prompt_image(told), prompt_clip(told, TIMES)):
            if isinstance(prompt, Score):
                assert (prompt.value, bool(prompt.reason)) == (0.0, True)
            else:
                numbers = chain(prompt.box, *prompt.positive, *prompt.negative)
                assert all(0.0 <= number <= GRID for number in numbers)


def test_coordinates_are_held_to_the_grid():
    """A point beyond the picture is moved to its edge."""
    prompt = prompt_image(answer(boxes=[-5, 0, 1e100, 5], positive_points=[[1001, -1]]))
    assert prompt.box == (0.0, 0.0, 1000.0, 5.0)
    assert prompt.positive == ((1000.0, 0.0),)


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        pytest.param({"boxes": [1, 2, 3]}, "boxes", id="three-numbers"),
        pytest.param({"boxes": None}, "boxes", id="no-box"),
        pytest.param({"positive_points": None}, "points", id="no-points"),
        pytest.param({"negative_points": [[1]]}, "points", id="half-a-point"),
        pytest.param({"boxes": [0, 0, float("nan"), 9]}, "not finite", id="nan"),
        pytest.param({"positive_points": [[float("inf"), 9]]}, "not finite", id="infinite"),
        pytest.param({"positive_points": [[1, 1]] * (MOST_POINTS + 1)}, "at most", id="too-many"),
    ],
)
def test_an_answer_that_cannot_guide_misses(changes, reason):
    """The score is 0 and says why; no model is asked."""
    missed = prompt_image(answer(**changes))
    assert isinstance(missed, Score)
    assert missed.value == 0.0
    assert reason in missed.reason


@pytest.mark.parametrize(
    ("time_s", "frame"), [(0, 0), (0.24, 0), (0.26, 1), (1.4, 3), (2.0, 3)], ids=str
)
def test_the_keyframe_is_the_nearest_sampled_frame(time_s, frame):
    """Times fall on the frames of a clip sampled twice a second."""
    assert prompt_clip(answer(time=time_s), TIMES).keyframe == frame


@pytest.mark.parametrize("time_s", [-0.1, 2.1, 1e9, float("nan"), None, "1"], ids=str)
def test_a_keyframe_outside_the_clip_misses(time_s):
    """Before its start, after its end, or no time at all."""
    missed = prompt_clip(answer(time=time_s), TIMES)
    assert isinstance(missed, Score)
    assert missed.value == 0.0


@given(
    st.lists(st.floats() | st.integers() | st.none() | st.text(max_size=3), max_size=5),
    st.lists(st.lists(st.floats() | st.booleans(), max_size=3), max_size=4),
    st.none() | st.floats() | st.booleans(),
)
def test_every_answer_gives_a_prompt_on_the_grid_or_a_reason(box, points, time):
    """Whatever the policy writes, the model sees finite coordinates and a frame that exists."""
    read = read_prompts(
        {"boxes": box, "positive_points": points, "negative_points": [], "time": time}
    )
    for prompt in (prompt_image(read), prompt_clip(read, TIMES)):
        if isinstance(prompt, Score):
            assert prompt.value == 0.0
            assert prompt.reason
        else:
            numbers = [*prompt.box, *(n for point in prompt.positive for n in point)]
            assert all(0.0 <= number <= GRID for number in numbers)
            assert 0 <= prompt.keyframe < len(TIMES)


def test_an_image_earns_the_iou_of_its_mask():
    """A 4x4 square inside a true 8x8 one covers a quarter of it."""
    truth = image_truth(written(square(8)))
    score = judge_image(Segmented(square(4)[None], 0.7), truth, ONETHINKER_RELEASED)
    assert score.value == 0.25
    assert score.parts == {
        "iou": 0.25,
        "intersection_px": 16,
        "union_px": 64,
        "predicted_iou": 0.7,
    }


def test_a_clip_earns_j_and_f_of_its_annotated_frames():
    """One frame drawn right and one empty: J and F are both a half."""
    drawn = np.stack([square(8), square(0)])
    truths = clip_truths({"masks": [None, written(square(8))] * 2}, TIMES)
    score = judge_clip(Segmented(drawn, 0.9), truths, ONETHINKER_RELEASED)
    assert list(truths) == [1, 3]
    assert score.value == 0.5
    assert score.parts == {"j": 0.5, "f": 0.5, "frames": 2, "predicted_iou": 0.9}


def test_a_miss_still_counts_the_object():
    """Sums over a data set need the pixels and frames that an answer did not draw."""
    missed = Score.miss("no box")
    image = miss_image(missed, image_truth(written(square(8))))
    assert image.parts == {"iou": 0.0, "intersection_px": 0, "union_px": 64}
    clip = miss_clip(missed, clip_truths({"masks": [TINY, TINY]}, TIMES))
    assert clip.parts == {"j": 0.0, "f": 0.0, "frames": 2}
    assert image.reason == clip.reason == "no box"


def test_the_spec_sets_the_tolerance_of_boundaries():
    """An edge four pixels off on a diagonal of 400 is near in the paper, and not as released."""
    edge, four_away = (np.broadcast_to(np.arange(320) < x, (240, 320)) for x in (150, 154))
    truths = {0: RunLengths.of(edge)}
    drawn = Segmented(np.array(four_away)[None], 0.5)
    scores = [judge_clip(drawn, truths, spec) for spec in (ONETHINKER_RELEASED, ONETHINKER_PAPER)]
    assert [score.parts["f"] for score in scores] == [0.0, 1.0]


@pytest.mark.parametrize(
    ("masks", "frames"),
    [
        pytest.param({"1.0": TINY, "0": TINY}, [0, 2], id="exact"),
        pytest.param({"0.59": TINY, "1.45": TINY}, [1, 3], id="near"),
        pytest.param([TINY, None, TINY], [0, 2], id="by-place"),
    ],
)
def test_true_masks_find_their_frames(masks, frames):
    """By time or by place, in ascending order."""
    assert list(clip_truths({"masks": masks}, TIMES)) == frames


@pytest.mark.parametrize(
    ("masks", "message"),
    [
        pytest.param({"0.25": TINY}, "no sampled frame at 0.25 s", id="between"),
        pytest.param({"9": TINY}, "nearest stands at 1.5 s", id="after-the-end"),
        pytest.param({"1.0": TINY, "1.01": TINY}, "two at 1 s", id="twice"),
        pytest.param([None] * 4 + [TINY], "masks of 4 frames; got one at 4", id="one-too-many"),
    ],
)
def test_a_true_mask_without_a_frame_of_its_own_is_loud(masks, message):
    """A mask is never compared with another moment."""
    with pytest.raises(BadTruth, match=message):
        clip_truths({"masks": masks}, TIMES)


@pytest.mark.parametrize("media", ["image", "video", None], ids=str)
def test_without_a_model_there_is_no_verdict(media):
    """The rule alone never turns a mask item into a number."""
    response = f"<think>a</think><answer>{json.dumps({**GOOD, 'time': 1})}</answer>"
    truth = TINY if media == "image" else {"masks": [TINY]}
    [verdict] = score_batch([Sample("mask", response, truth, media)], ONETHINKER_RELEASED)
    assert isinstance(verdict.error, NoModel if media else MissingInput)
    assert (verdict.format, verdict.structure) == (1.0, 0.0 if media is None else 0.5)


@pytest.mark.parametrize("media", ["image", "video"])
def test_the_structure_asks_for_a_box_and_lists_of_points(media):
    """Any number of points passes, and a keyframe is due for a clip."""
    shape = lookup("mask", media).shape
    whole, short = answer(time=1), answer(time=1, boxes=[1])
    assert (shape.reward(whole, ()), shape.reward(short, ())) == (0.5, 0.0)
    assert shape.reward(answer(), ()) == (0.5 if media == "image" else 0.0)
    assert shape.fits(whole)
    assert not shape.fits(answer(time=1, boxes=[1, 2, 3, float("inf")]))


@pytest.mark.parametrize("media", ["image", "video"])
def test_callers_are_told_how_many_points_there_may_be(media):
    """The number stands in what `GET /kinds` says, as in the reason of a miss."""
    assert f"at most {MOST_POINTS} points" in lookup("mask", media).doc
