"""Tests for `rewards.report`."""

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from rewards.errors import BadTruth, WorkerDied
from rewards.registry import NAMES
from rewards.report import METRICS, Heading, summarise, summarise_by_kind
from rewards.score import Scored, Unscored

UNREADABLE = Unscored(1.0, 0.5, BadTruth("no span"))
LOST = Unscored(0.0, 0.0, WorkerDied("lost"))


def scored(accuracy, **parts):
    """A scored item under the released spec, well formed."""
    return Scored(0.9 * accuracy + 0.6, accuracy, 1.0, 0.5, parts)


def test_temporal_grounding_is_reported_as_in_papers():
    """Mean overlap, and the share of items that reach 0.3, 0.5 and 0.7, each included."""
    verdicts = [scored(value) for value in (0.0, 0.3, 0.5, 0.7, 1.0)]
    assert summarise("temporal_grounding", verdicts).metrics == pytest.approx(
        {"mIoU": 0.5, "R@0.3": 0.8, "R@0.5": 0.6, "R@0.7": 0.4}
    )


def test_tracking_is_reported_by_its_average_overlap():
    """AO is the mean over videos of the mean overlap over frames."""
    metrics = summarise("tracking", [scored(0.25), scored(0.75)]).metrics
    assert (metrics["AO"], metrics["R@0.5"]) == (0.5, 0.5)


def test_tubes_are_reported_in_time_and_in_space():
    """Both overlaps are read from the parts; an answer that missed has neither."""
    missed = Scored(0.1, 0.0, 1.0, 0.0, reason="no tube")
    metrics = summarise(
        "spatial_temporal_grounding", [scored(0.5, time_iou=0.8, mean_iou=0.2), missed]
    ).metrics
    assert metrics == {"tIoU": 0.4, "sIoU": 0.1}


def test_boxes_are_reported_by_the_usual_threshold():
    """A referred box counts as found from an overlap of 0.5 on."""
    metrics = summarise("spatial_grounding", [scored(0.5), scored(0.49)]).metrics
    assert metrics == pytest.approx({"mIoU": 0.495, "Acc@0.5": 0.5})


def test_masks_of_images_are_reported_by_two_overlaps():
    """The mean of the IoUs, and the IoU of all pixels; a miss counts with the truth's pixels."""
    verdicts = [
        scored(0.5, iou=0.5, intersection_px=10, union_px=20),
        scored(0.75, iou=0.75, intersection_px=300, union_px=400),
        scored(0.0, iou=0.0, intersection_px=0, union_px=80),
    ]
    metrics = summarise("mask/image", verdicts).metrics
    assert metrics == pytest.approx({"gIoU": 1.25 / 3, "cIoU": 310 / 500})


def test_masks_of_videos_are_reported_as_davis_does():
    """Region, boundary and their mean."""
    metrics = summarise("mask/video", [scored(0.5, j=0.4, f=0.6), scored(0.0)]).metrics
    assert metrics == pytest.approx({"J": 0.2, "F": 0.3, "J&F": 0.25})


def test_other_kinds_are_reported_by_their_accuracy():
    """What has no metric of its own is reported by the mean accuracy."""
    assert summarise("math", [scored(1.0), scored(0.0)]).metrics == {"accuracy": 0.5}


def test_every_kind_with_metrics_of_its_own_exists():
    """A kind that is renamed takes its metrics along."""
    assert {name.partition("/")[0] for name in METRICS} <= set(NAMES)


def test_unscored_items_are_counted_and_take_no_part():
    """No verdict is never a 0: means are over scored items, reasons are told apart."""
    summary = summarise("math", [scored(1.0), UNREADABLE, LOST, UNREADABLE])
    assert summary.unscored == {"bad_ground_truth": 2, "worker_died": 1}
    assert (summary.count, summary.mean, summary.metrics) == (4, 1.5, {"accuracy": 1.0})
    assert summary.format_rate == 0.75


def test_without_a_verdict_there_is_no_mean():
    """A file whose truths are all unreadable has no mean, rather than one of 0."""
    summary = summarise("temporal_grounding", [UNREADABLE])
    assert (summary.mean, summary.std, summary.metrics) == (None, None, {})


@given(st.lists(st.floats(0, 1), min_size=1, max_size=50))
def test_mean_and_deviation_agree_with_numpy(accuracies):
    """The figures are those that any other tool computes from the same rewards."""
    verdicts = [scored(accuracy) for accuracy in accuracies]
    rewards = np.array([verdict.reward for verdict in verdicts])
    summary = summarise("math", verdicts)
    assert math.isclose(summary.mean, rewards.mean(), abs_tol=1e-12)
    assert math.isclose(summary.std, rewards.std(), abs_tol=1e-7)


def test_items_are_summed_up_by_kind():
    """Kinds are told apart, media too, and a medium does not hide the kind's metrics."""
    items = [("tracking/video", scored(1.0)), ("math", scored(0.0)), ("math", scored(1.0))]
    summaries = summarise_by_kind((Heading(kind), verdict) for kind, verdict in items)
    assert list(summaries) == [Heading("math"), Heading("tracking/video")]
    assert summaries[Heading("math")].count == 2
    assert summaries[Heading("tracking/video")].metrics["AO"] == 1.0


def test_tasks_are_summed_up_within_their_kind_by_its_metrics():
    """Two data sets of one kind have a row each, and count together in the row of the kind."""
    charades, activity = (Heading("temporal_grounding", task) for task in ("charades", "activity"))
    kind = Heading("temporal_grounding")
    items = [(charades, scored(1.0)), (activity, scored(0.5)), (kind, scored(0.0))]
    summaries = summarise_by_kind(items)
    assert list(summaries) == [kind, activity, charades]
    assert [summary.count for summary in summaries.values()] == [3, 1, 1]
    assert [summary.metrics["mIoU"] for summary in summaries.values()] == [0.5, 0.5, 1.0]
