"""What an item of a spatial kind says, frame by frame: the answer's marks and the truth's."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from rewards.errors import UnknownKind
from rewards.pipeline import Memo, Prepared, open_item, prepare
from rewards.registry import lookup
from rewards.sample import DEFAULT_FPS, Sample
from rewards.specs import Spec
from rewards.text.answers import Prompts, Tube
from rewards.text.masks import FrameMask, RunLengths, read_frame_masks, read_mask

Box = tuple[float, float, float, float]
Point = tuple[float, float]

MOST_PANELS = 6


@dataclass(frozen=True, slots=True)
class Marks:
    """What one side says of a frame, on the 0-1000 grid."""

    box: Box | None = None
    positive: tuple[Point, ...] = ()
    negative: tuple[Point, ...] = ()
    mask: RunLengths | None = None


@dataclass(frozen=True, slots=True)
class Panel:
    """One frame, at `time_s` of a video, and what both sides say of it."""

    answer: Marks
    truth: Marks
    time_s: float = 0.0
    caption: str = ""


def sketch(sample: Sample, spec: Spec, *, fps: float = DEFAULT_FPS) -> list[Panel]:
    """Return a panel for an image, or some for a video, in order of time.

    `fps` places frames that are named by their number. Raises `BadTruth`, and `UnknownKind` for
    a kind that says nothing of places.
    """
    draw = SKETCHES.get(lookup(sample.kind, sample.media_type).name)
    if draw is None:
        raise UnknownKind(f"expected one of {', '.join(SKETCHES)}; got {sample.kind}")
    opened = open_item(sample, spec, Memo())
    if opened.truth.error is not None:
        raise opened.truth.error
    return draw(prepare(opened, spec), fps)


def _boxes(item: Prepared, fps: float) -> list[Panel]:  # noqa: ARG001 - one shape for all
    answer = item.answer if isinstance(item.answer, tuple) else None
    return [Panel(Marks(answer), Marks(item.opened.truth.value))]


def _prompts(item: Prepared, fps: float) -> list[Panel]:  # noqa: ARG001 - one shape for all
    true = item.opened.truth.value
    answer, truth = _marks(item.answer), _marks(true)
    if item.kind.media != "video":
        return [Panel(answer, truth)]
    then_s, now_s = true.keyframe_s, getattr(item.answer, "keyframe_s", None)
    if now_s is None or now_s == then_s:
        return [Panel(answer, truth, then_s, f"{then_s:g} s")]
    panels = [
        Panel(Marks(), truth, then_s, f"truth at {then_s:g} s"),
        Panel(answer, Marks(), now_s, f"answer at {now_s:g} s"),
    ]
    return sorted(panels, key=lambda panel: panel.time_s)


def _tracks(item: Prepared, fps: float) -> list[Panel]:  # noqa: ARG001 - one shape for all
    said = item.answer.boxes if isinstance(item.answer, Tube) and item.answer.boxes else {}
    value = item.opened.truth.value
    true: Mapping[str, Box] = getattr(value, "boxes", value)
    return [
        Panel(Marks(said.get(name)), Marks(true[name]), _seconds(name), f"frame {name}")
        for name in _spread(list(true))
    ]


def _masks(item: Prepared, fps: float) -> list[Panel]:
    answer = _marks(item.answer)
    if item.kind.media == "image":
        return [Panel(answer, Marks(mask=read_mask(item.source)))]
    frames = _spread(read_frame_masks(item.source))
    panels = [_masked(frame, fps) for frame in frames]
    now_s = getattr(item.answer, "keyframe_s", None)
    if now_s is not None:
        panels.append(Panel(answer, Marks(), now_s, f"answer at {now_s:g} s"))
    return sorted(panels, key=lambda panel: panel.time_s)


def _masked(frame: FrameMask, fps: float) -> Panel:
    time_s = (frame.index or 0) / fps if frame.time_s is None else frame.time_s
    return Panel(Marks(), Marks(mask=frame.mask), time_s, f"truth at {time_s:g} s")


SKETCHES: Mapping[str, Callable[[Prepared, float], list[Panel]]] = {
    "spatial_grounding": _boxes,
    "segmentation": _prompts,
    "tracking": _tracks,
    "spatial_temporal_grounding": _tracks,
    "mask": _masks,
}


def _marks(said: Any) -> Marks:
    # The truth of a segmentation has the fields of an answer, all of them read.
    if not isinstance(said, Prompts) and not hasattr(said, "positive"):
        return Marks()
    return Marks(said.box, said.positive or (), said.negative or ())


def _seconds(name: str) -> float:
    try:
        return float(name)
    except ValueError:
        return 0.0


def _spread(names: Sequence[Any]) -> list[Any]:
    """At most so many, evenly spread, with the first and the last."""
    count = min(len(names), MOST_PANELS)
    if count == len(names):
        return list(names)
    return [names[round(place * (len(names) - 1) / (count - 1))] for place in range(count)]
