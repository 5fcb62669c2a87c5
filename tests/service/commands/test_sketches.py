"""Tests for `service.commands.sketches`."""

import json

import pytest

from rewards.errors import BadTruth, UnknownKind
from rewards.registry import KINDS
from rewards.sample import Sample
from rewards.specs import ONETHINKER_RELEASED
from service.commands.sketches import MOST_PANELS, SKETCHES, Marks, sketch

PROMPTS = {
    "boxes": [1, 2, 3, 4],
    "positive_points": [[5, 6], [5, 7], [5, 8]],
    "negative_points": [[7, 8], [7, 9], [8, 9]],
}
GUIDED = Marks(
    (1.0, 2.0, 3.0, 4.0),
    ((5.0, 6.0), (5.0, 7.0), (5.0, 8.0)),
    ((7.0, 8.0), (7.0, 9.0), (8.0, 9.0)),
)
TINY = {"size": [2, 2], "counts": [1, 3]}
BOXES = {str(i): [i, i, i + 1, i + 1] for i in range(20)}


def panels(kind, answer, truth, media_type=None, **options):
    """Sketch one item."""
    text = answer if isinstance(answer, str) else json.dumps(answer)
    sample = Sample(kind, f"<think>a</think><answer>{text}</answer>", truth, media_type)
    return sketch(sample, ONETHINKER_RELEASED, **options)


def test_a_box_is_one_panel():
    """Both boxes stand on the same picture."""
    [panel] = panels("spatial_grounding", {"boxes": [0, 0, 9, 9]}, {"boxes": [1, 1, 8, 8]})
    assert (panel.answer.box, panel.truth.box) == ((0, 0, 9, 9), (1, 1, 8, 8))


def test_segmentation_of_an_image_shows_boxes_and_points():
    """Answer and truth are prompts alike."""
    [panel] = panels("segmentation", PROMPTS, PROMPTS, "image")
    assert panel.answer == panel.truth == GUIDED


def test_segmentation_of_a_video_shows_both_keyframes():
    """In order of time; one panel where they agree."""
    truth = {**PROMPTS, "time": 3.0}
    early, late = panels("segmentation", {**PROMPTS, "time": 1.5}, truth, "video")
    assert (early.time_s, early.answer, early.truth) == (1.5, GUIDED, Marks())
    assert (late.time_s, late.answer, late.truth) == (3.0, Marks(), GUIDED)
    [both] = panels("segmentation", {**PROMPTS, "time": 3}, truth, "video")
    assert both.answer == both.truth == GUIDED


@pytest.mark.parametrize("kind", ["tracking", "spatial_temporal_grounding"])
def test_a_track_is_some_of_its_frames(kind):
    """First and last among them; a frame without an answer shows the truth alone."""
    said = {name: box for name, box in BOXES.items() if name != "19"}
    shown = panels(kind, {"time": [0, 9], "boxes": said}, {"time": [0, 9], "boxes": BOXES})
    assert len(shown) == MOST_PANELS
    assert [shown[0].time_s, shown[-1].time_s] == [0.0, 19.0]
    assert shown[0].answer.box == shown[0].truth.box == (0, 0, 1, 1)
    assert shown[-1].answer.box is None


def test_a_mask_of_an_image_shows_the_prompt_on_the_true_mask():
    """What the mask model is told, on what it should draw."""
    [panel] = panels("mask", PROMPTS, TINY, "image")
    assert panel.answer == GUIDED
    assert panel.truth.mask.area_px == 3


def test_masks_of_a_video_stand_at_their_times():
    """The answer's keyframe among the annotated frames, by time."""
    truth = {"masks": [TINY, None, TINY]}
    shown = panels("mask", {**PROMPTS, "time": 0.25}, truth, "video", fps=4.0)
    assert [panel.time_s for panel in shown] == [0.0, 0.25, 0.5]
    assert [panel.truth.mask is not None for panel in shown] == [True, False, True]
    assert shown[1].answer == GUIDED


def test_an_answer_that_says_nothing_leaves_no_marks():
    """The truth is shown all the same."""
    [panel] = panels("mask", "no box", TINY, "image")
    assert panel.answer == Marks()
    assert panel.truth.mask is not None


def test_a_kind_without_places_is_refused():
    """The message names the kinds that can be drawn."""
    with pytest.raises(UnknownKind, match="expected one of spatial_grounding"):
        panels("math", "1", "1")


def test_a_truth_that_cannot_be_read_is_loud():
    """There is nothing to show an answer beside."""
    with pytest.raises(BadTruth):
        panels("spatial_grounding", {"boxes": [0, 0, 9, 9]}, "?")


def test_every_kind_with_boxes_can_be_drawn():
    """A new spatial kind needs a sketch."""
    spatial = {kind.name for kind in KINDS if "boxes" in kind.shape.example}
    assert spatial == set(SKETCHES)
