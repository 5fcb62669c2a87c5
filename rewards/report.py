"""What papers print of a set of scored items: means, rates and the metrics of each kind."""

from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from statistics import fmean, pstdev
from typing import NamedTuple

from rewards.maths.masks import Overlap, cumulative_iou
from rewards.score import Scored, Verdict

RECALLS = (0.3, 0.5, 0.7)

Quantity = Callable[[Scored], float]


@dataclass(frozen=True, slots=True)
class Metric:
    """What is said of at least one scored item, under the name that papers give it."""

    name: str
    of: Callable[[Sequence[Scored]], float]


def _accuracy(item: Scored) -> float:
    return item.accuracy


def _part(name: str) -> Quantity:
    # An answer that missed has no parts: its overlap is 0.
    return lambda item: item.parts.get(name, 0.0)


def _reaches(threshold: float, quantity: Quantity) -> Quantity:
    return lambda item: float(quantity(item) >= threshold)


def _mean(name: str, quantity: Quantity) -> Metric:
    return Metric(name, lambda items: fmean(map(quantity, items)))


def _recalls(quantity: Quantity) -> tuple[Metric, ...]:
    return tuple(_mean(f"R@{limit}", _reaches(limit, quantity)) for limit in RECALLS)


def _overlap(item: Scored) -> Overlap:
    return Overlap(*(round(item.parts.get(name, 0.0)) for name in ("intersection_px", "union_px")))


ACCURACY = (_mean("accuracy", _accuracy),)
METRICS: Mapping[str, Sequence[Metric]] = {
    "temporal_grounding": (_mean("mIoU", _accuracy), *_recalls(_accuracy)),
    "spatial_grounding": (_mean("mIoU", _accuracy), _mean("Acc@0.5", _reaches(0.5, _accuracy))),
    "spatial_temporal_grounding": (
        _mean("tIoU", _part("time_iou")),
        _mean("sIoU", _part("mean_iou")),
    ),
    "tracking": (_mean("AO", _accuracy), *_recalls(_accuracy)),
    "mask/image": (
        _mean("gIoU", _part("iou")),
        Metric("cIoU", lambda items: cumulative_iou(map(_overlap, items))),
    ),
    "mask/video": (_mean("J", _part("j")), _mean("F", _part("f")), _mean("J&F", _accuracy)),
}


class Heading(NamedTuple):
    """What verdicts are summed up under: a kind, such as `mask/image`, or a task of that kind."""

    kind: str
    task: str | None = None


@dataclass(frozen=True, slots=True)
class Summary:
    """What came of the items of one group, such as all of one kind.

    `mean` and `std` (population) are of the reward over scored items and None where there are
    none; `format_rate` is the share of all items with the right tags; `unscored` counts by code.
    """

    count: int
    mean: float | None
    std: float | None
    format_rate: float
    unscored: Mapping[str, int] = field(default_factory=dict)
    metrics: Mapping[str, float] = field(default_factory=dict)


def summarise(kind: str, verdicts: Sequence[Verdict]) -> Summary:
    """Summarise at least one verdict, all of one kind, with the metrics of that kind.

    Where a kind has metrics of its own for a media type, `kind` is such as `mask/image`.
    Unscored items are counted by the code of their error and take no part in any mean.

    >>> verdicts = [Scored(1.2, 0.6, 1.0, 0.5), Scored(0.8, 0.2, 1.0, 0.5)]
    >>> summary = summarise("temporal_grounding", verdicts)
    >>> summary.mean, summary.metrics["mIoU"], summary.metrics["R@0.5"]
    (1.0, 0.4, 0.5)
    """
    scored = [verdict for verdict in verdicts if isinstance(verdict, Scored)]
    unscored = Counter(
        verdict.error.code for verdict in verdicts if not isinstance(verdict, Scored)
    )
    rewards = [item.reward for item in scored]
    own = METRICS.get(kind) or METRICS.get(kind.partition("/")[0], ACCURACY)
    return Summary(
        count=len(verdicts),
        mean=fmean(rewards) if scored else None,
        std=pstdev(rewards) if scored else None,
        format_rate=fmean(verdict.format == 1.0 for verdict in verdicts),
        unscored=dict(unscored),
        metrics={metric.name: metric.of(scored) for metric in own} if scored else {},
    )


def summarise_by_kind(items: Iterable[tuple[Heading, Verdict]]) -> dict[Heading, Summary]:
    """Summarise verdicts kind by kind, in the order of their names, each followed by its tasks.

    A task is summed up in the metrics of its kind, and once more within its kind.
    """
    found: dict[Heading, list[Verdict]] = defaultdict(list)
    for heading, verdict in items:
        for one in {heading, Heading(heading.kind)}:
            found[one].append(verdict)
    order = sorted(found, key=lambda heading: (heading.kind, heading.task or ""))
    return {heading: summarise(heading.kind, found[heading]) for heading in order}
