"""The one table of reward kinds: to add a kind, write its module and add its row."""

from collections.abc import Callable
from dataclasses import dataclass
from enum import Enum
from functools import lru_cache
from typing import Any

from rewards.errors import UnknownKind
from rewards.kinds.mask import ON_CLIP, ON_IMAGE, MaskRule, score_without_model
from rewards.kinds.mask import score_without_media as refuse_without_media
from rewards.kinds.math import compare_simple, read_math_truth, score_math
from rewards.kinds.multiple_choice import compare_options, score_multiple_choice
from rewards.kinds.numerical import score_numerical
from rewards.kinds.ocr import read_truth as read_transcription
from rewards.kinds.ocr import score_ocr
from rewards.kinds.open_ended import read_truth as read_reference
from rewards.kinds.open_ended import score_open_ended
from rewards.kinds.regression import score_regression
from rewards.kinds.segmentation import (
    check_points,
    read_image_truth,
    read_video_truth,
    score_image,
    score_video,
    score_without_media,
)
from rewards.kinds.spatial_grounding import read_truth as read_true_box
from rewards.kinds.spatial_grounding import score_spatial_grounding
from rewards.kinds.spatial_temporal_grounding import read_truth as read_true_tube
from rewards.kinds.spatial_temporal_grounding import score_spatial_temporal_grounding
from rewards.kinds.temporal_grounding import read_truth as read_true_span
from rewards.kinds.temporal_grounding import score_temporal_grounding
from rewards.kinds.tracking import read_truth as read_true_track
from rewards.kinds.tracking import score_tracking
from rewards.score import Score
from rewards.specs import Spec
from rewards.structure import (
    BOX,
    CLIP_PROMPT,
    IMAGE_PROMPT,
    IMAGE_PROMPTS,
    NO_PROMPTS,
    SPAN,
    TEXT,
    TRACK,
    TUBE,
    VIDEO_PROMPTS,
    Shape,
)
from rewards.text.numerals import read_true_number


class Lane(Enum):
    """Where a kind may run."""

    INLINE = "inline"  # microseconds, pure: wherever the caller is
    ISOLATED = "isolated"  # may hang: in a process that can be killed
    MODEL = "model"  # a reward model where one is configured, else the rule, inline
    MASKS = "masks"  # a mask model draws, then the row's `masks` reads the truth and judges


@dataclass(frozen=True, slots=True, eq=False)
class RewardKind:
    """A way to score an answer, and the names callers know it by.

    `read_truth` takes the truth's text (or, for JSON shapes, text or an object) and may raise
    `BadTruth`, as may `check_truth`, of what `read_truth` gave, where that depends on the spec;
    `judge(answer, truth, spec)` takes what `shape.read` and `read_truth` gave.
    `media` restricts the row to items of that media type; a row without it takes the others.
    `shortcut` judges some (answer, truth) texts of an isolated kind exactly and at once.
    A row is equal to itself alone.
    """

    name: str
    doc: str
    shape: Shape
    read_truth: Callable[[Any], Any]
    judge: Callable[[Any, Any, Spec], Score]
    lane: Lane = Lane.INLINE
    media: str | None = None
    aliases: tuple[str, ...] = ()
    shortcut: Callable[[str, str], Score | None] | None = None
    takes_empty_truth: bool = False
    check_truth: Callable[[Any, Spec], None] | None = None
    masks: MaskRule | None = None


def _as_it_is(truth: Any) -> Any:
    return truth


KINDS = (
    RewardKind(
        "multiple_choice",
        "the same option, by mathruler",
        TEXT,
        _as_it_is,
        score_multiple_choice,
        lane=Lane.ISOLATED,
        shortcut=compare_options,
    ),
    RewardKind(
        "numerical", "the same number to two decimals", TEXT, read_true_number, score_numerical
    ),
    RewardKind("regression", "mean relative accuracy", TEXT, read_true_number, score_regression),
    RewardKind(
        "math",
        "an equivalent formula, by math-verify",
        TEXT,
        _as_it_is,
        score_math,
        lane=Lane.ISOLATED,
        shortcut=compare_simple,
    ),
    RewardKind(
        "ocr",
        "one minus the word error rate",
        TEXT,
        read_transcription,
        score_ocr,
        takes_empty_truth=True,
    ),
    RewardKind(
        "open_ended",
        "similarity to a reference: POLAR, or the mean of ROUGE-1, -2 and -L",
        TEXT,
        read_reference,
        score_open_ended,
        lane=Lane.MODEL,
    ),
    RewardKind(
        "caption",
        "similarity of a caption to a reference, as open_ended",
        TEXT,
        read_reference,
        score_open_ended,
        lane=Lane.MODEL,
    ),
    RewardKind(
        "temporal_grounding", "temporal IoU", SPAN, read_true_span, score_temporal_grounding
    ),
    RewardKind("spatial_grounding", "box IoU", BOX, read_true_box, score_spatial_grounding),
    RewardKind(
        "spatial_temporal_grounding",
        "temporal IoU and mean box IoU over frames",
        TUBE,
        read_true_tube,
        score_spatial_temporal_grounding,
    ),
    RewardKind(
        "tracking", "mean box IoU over the truth's frames", TRACK, read_true_track, score_tracking
    ),
    RewardKind(
        "segmentation",
        "box IoU and point similarity",
        IMAGE_PROMPTS,
        read_image_truth,
        score_image,
        media="image",
        check_truth=check_points,
    ),
    RewardKind(
        "segmentation",
        "box IoU, point similarity and keyframe time",
        VIDEO_PROMPTS,
        read_video_truth,
        score_video,
        media="video",
        check_truth=check_points,
    ),
    RewardKind("segmentation", "0: needs a media type", NO_PROMPTS, _as_it_is, score_without_media),
    RewardKind(
        "mask",
        "IoU of the mask that SAM2 draws from the answer, of at most 256 points",
        IMAGE_PROMPT,
        _as_it_is,
        score_without_model,
        lane=Lane.MASKS,
        media="image",
        masks=ON_IMAGE,
    ),
    RewardKind(
        "mask",
        "J&F of the masks that SAM2 tracks from the answer, of at most 256 points",
        CLIP_PROMPT,
        _as_it_is,
        score_without_model,
        lane=Lane.MASKS,
        media="video",
        masks=ON_CLIP,
    ),
    RewardKind("mask", "refused: needs a media type", NO_PROMPTS, _as_it_is, refuse_without_media),
)


def _plain(name: str) -> str:
    return name.strip().lower().replace("-", "_").replace(" ", "_")


def _index(kinds: tuple[RewardKind, ...]) -> dict[tuple[str, str | None], RewardKind]:
    rows: dict[tuple[str, str | None], RewardKind] = {}
    for kind in kinds:
        for name in (kind.name, *map(_plain, kind.aliases)):
            if (name, kind.media) in rows:
                raise ValueError(f"two reward kinds answer to {name!r} for media {kind.media!r}")
            rows[name, kind.media] = kind
    return rows


SPELLINGS_KEPT = 1024
_ROWS = _index(KINDS)
NAMES = tuple(dict.fromkeys(kind.name for kind in KINDS))


@lru_cache(maxsize=SPELLINGS_KEPT)
def lookup(name: str, media: str | None = None) -> RewardKind:
    """Return the row for `name`, or an alias in any case and spelling, and a media type.

    >>> lookup("Spatial-Temporal Grounding").name, lookup("segmentation", "Video").media
    ('spatial_temporal_grounding', 'video')
    """
    row = _ROWS.get((name, media)) or _find(_plain(name), _plain(media) if media else None)
    if row is None:
        raise UnknownKind(f"unknown kind {name[:80]!r}; known: {', '.join(NAMES)}")
    return row


def _find(name: str, media: str | None) -> RewardKind | None:
    return _ROWS.get((name, media)) or _ROWS.get((name, None))


def default_task(kind: RewardKind) -> str:
    """Return the key of the moving average an item belongs to unless the caller says otherwise.

    >>> default_task(lookup("segmentation", "video")), default_task(lookup("math"))
    ('segmentation/video', 'math')
    """
    return f"{kind.name}/{kind.media}" if kind.media else kind.name


def prepare_truth(kind: RewardKind, truth: str) -> None:
    """Do the part of an isolated judgement that concerns the truth alone, ahead of the answer.

    When this is what hangs, the dataset is at fault and not the policy.
    """
    if kind.judge is score_math:
        read_math_truth(truth)
