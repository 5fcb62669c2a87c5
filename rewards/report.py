"""What papers print of a set of scored items: means, rates and the metrics of each kind."""

from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from statistics import fmean, pstdev

from rewards.score import Scored, Verdict

RECALLS = (0.3, 0.5, 0.7)

Quantity = Callable[[Scored], float]


@dataclass(frozen=True, slots=True)
class Metric:
    """A mean over scored items, under the name that papers give it."""

    name: str
    quantity: Quantity


def _accuracy(item: Scored) -> float:
    return item.accuracy


def _part(name: str) -> Quantity:
    # An answer that missed has no parts: its overlap is 0.
    return lambda item: item.parts.get(name, 0.0)


def _reaches(threshold: float, quantity: Quantity) -> Quantity:
    return lambda item: float(quantity(item) >= threshold)


def _recalls(quantity: Quantity) -> tuple[Metric, ...]:
    return tuple(Metric(f"R@{limit}", _reaches(limit, quantity)) for limit in RECALLS)


ACCURACY = (Metric("accuracy", _accuracy),)
METRICS: Mapping[str, Sequence[Metric]] = {
    "temporal_grounding": (Metric("mIoU", _accuracy), *_recalls(_accuracy)),
    "spatial_grounding": (Metric("mIoU", _accuracy), Metric("Acc@0.5", _reaches(0.5, _accuracy))),
    "spatial_temporal_grounding": (
        Metric("tIoU", _part("time_iou")),
        Metric("sIoU", _part("mean_iou")),
    ),
    "tracking": (Metric("AO", _accuracy), *_recalls(_accuracy)),
}


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
    metrics = METRICS.get(kind, ACCURACY) if scored else ()
    return Summary(
        count=len(verdicts),
        mean=fmean(rewards) if scored else None,
        std=pstdev(rewards) if scored else None,
        format_rate=fmean(verdict.format == 1.0 for verdict in verdicts),
        unscored=dict(unscored),
        metrics={metric.name: fmean(map(metric.quantity, scored)) for metric in metrics},
    )


def summarise_by_kind(items: Iterable[tuple[str, Verdict]]) -> dict[str, Summary]:
    """Summarise verdicts by the name they come with, in the order of those names.

    A name `segmentation/video` is of the kind before the slash.
    """
    by_name: dict[str, list[Verdict]] = defaultdict(list)
    for name, verdict in items:
        by_name[name].append(verdict)
    return {name: summarise(name.partition("/")[0], by_name[name]) for name in sorted(by_name)}
