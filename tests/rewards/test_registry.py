"""Tests for `rewards.registry`."""

import pytest

from rewards.errors import UnknownKind
from rewards.registry import KINDS, NAMES, Lane, default_task, lookup


@pytest.mark.parametrize("kind", KINDS, ids=lambda kind: f"{kind.name}-{kind.media}")
def test_every_row_is_found_by_its_names(kind):
    """The name, in any spelling the data uses, leads to the row of its media type."""
    for name in (kind.name, *kind.aliases):
        for spelt in (name, name.upper(), name.replace("_", " "), name.replace("_", "-")):
            assert lookup(spelt, kind.media) is kind


@pytest.mark.parametrize(
    ("name", "media", "task"),
    [
        ("OCR", "image", "ocr"),
        ("spatial-temporal grounding", "video", "spatial_temporal_grounding"),
        ("segmentation", "IMAGE", "segmentation/image"),
        ("segmentation", "video", "segmentation/video"),
        ("segmentation", "audio", "segmentation"),
        ("segmentation", None, "segmentation"),
    ],
)
def test_the_datas_own_names_are_known(name, media, task):
    """Names as OneThinker's data spells them, and the task each falls under."""
    assert default_task(lookup(name, media)) == task


@pytest.mark.parametrize("name", ["", "unknown task", "maths", "[" * 1000])
def test_an_unknown_kind_names_the_known_ones(name):
    """The error is a list to choose from, and does not repeat a long name."""
    with pytest.raises(UnknownKind, match="known: multiple_choice, numerical") as caught:
        lookup(name)
    assert len(str(caught.value)) < 500


def test_what_may_hang_is_isolated():
    """Everything that reaches sympy runs where it can be killed."""
    isolated = {kind.name for kind in KINDS if kind.lane is Lane.ISOLATED}
    assert isolated == {"math", "multiple_choice"}
    assert isolated < set(NAMES)
