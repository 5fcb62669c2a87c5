"""Tests for `rewards.backends.ray_serve.wire`."""

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays

from rewards.backends.ray_serve.wire import (
    About,
    CompareCall,
    Compared,
    DrawCall,
    Drawings,
    Frames,
    Trouble,
    deadline_in,
    decode,
    encode,
    left_s,
    to_drawn,
    to_error,
    to_frames,
    to_pixels,
    to_segmented,
    to_trouble,
)
from rewards.errors import ModelFailed, OutOfTime, WorkerDied
from rewards.ports import Comparison, MaskPrompt, Segmented

ABOUT = About("r1", "polar:tiny", {"items": 3.0})
sizes = arrays.array_shapes(min_dims=3, max_dims=3, max_side=9)


@given(arrays.arrays(np.bool_, sizes), st.floats(allow_nan=False))
def test_masks_arrive_as_they_were(masks, predicted_iou):
    """Eight to a byte, none is lost at the end of a row or of an array."""
    sent = encode(Drawings(ABOUT, [to_drawn(Segmented(masks, predicted_iou))]))
    [drawn] = decode(sent, Drawings).outcomes
    found = to_segmented(drawn)
    assert found.masks.dtype == np.bool_
    assert np.array_equal(found.masks, masks)
    assert found.predicted_iou == predicted_iou


@given(arrays.arrays(np.uint8, arrays.array_shapes(min_dims=3, max_dims=4, max_side=5)))
def test_pixels_arrive_as_they_were(pixels):
    """Whatever their layout in memory was."""
    turned = np.swapaxes(pixels, 0, 1)
    assert np.array_equal(to_pixels(to_frames(turned)), turned)


@given(st.lists(st.floats(allow_nan=False), max_size=5))
def test_scores_arrive_to_the_last_bit(scores):
    """A score is the same number on both sides, beside what went wrong elsewhere."""
    trouble = Trouble("model_failed", "no")
    sent = decode(encode(Compared(ABOUT, [*scores, trouble])), Compared)
    assert sent == Compared(ABOUT, [*scores, trouble])
    assert [math.copysign(1, one) for one in sent.outcomes[:-1]] == [
        math.copysign(1, one) for one in scores
    ]


def test_calls_arrive_as_they_were():
    """Comparisons and prompts are equal on both sides, so that repeated ones are told apart."""
    compare = CompareCall([Comparison("a", "b", "c"), Comparison("ä", "", "\0")], None)
    prompt = MaskPrompt((1, 2, 3.5, 4), ((5, 6),), (), keyframe=2)
    draw = DrawCall("d", 2, 3, (0.0, 0.5), [prompt], [0, 1], Frames((1, 1, 3), b"abc"), 1.5)
    assert decode(encode(compare), CompareCall) == compare
    assert decode(encode(draw), DrawCall) == draw


@pytest.mark.parametrize("error", [ModelFailed("a"), OutOfTime("b"), WorkerDied("c")])
def test_what_went_wrong_arrives_as_it_was(error):
    """Code, message and whether to try again are the same on both sides."""
    found = to_error(to_trouble(error))
    assert (type(found), str(found)) == (type(error), str(error))


def test_a_trouble_nobody_knows_may_be_tried_again():
    """A replica of another version has other codes; an item is never lost over that."""
    assert type(to_error(Trouble("new", "a"))) is ModelFailed


def test_a_message_of_another_version_is_no_crash():
    """It becomes an error that may be tried again elsewhere."""
    with pytest.raises(ModelFailed, match="expected a message of this version"):
        decode(encode(ABOUT), Compared)


def test_text_that_is_not_unicode_is_no_crash():
    """A lone surrogate cannot be sent, and whoever asked is told."""
    with pytest.raises(ModelFailed, match="expected text that can be sent"):
        encode(CompareCall([Comparison("\ud800", "", "")], None))


def test_a_deadline_travels_as_what_is_left_of_it():
    """Two machines share no clock."""
    assert left_s(None) is None
    assert deadline_in(None) is None
    assert left_s(deadline_in(1000.0)) == pytest.approx(1000.0, abs=100.0)
