"""The straightforward way: each item on its own, as the spec is written, by the same libraries."""

import json
import math
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import astuple, dataclass
from itertools import permutations
from typing import Any

import numpy as np
from math_verify import parse, verify
from mathruler.grader import grade_answer
from rouge_score.rouge_scorer import RougeScorer

from rewards.sample import Sample

SPACED_MARK = re.compile(r"\s*(<|>|/)\s*")
ENVELOPE = re.compile(r"\s*<think>.*?</think>\s*<answer>.*?</answer>\s*", re.DOTALL)
ANSWER = re.compile(r"<answer>\s*(.*?)\s*</answer>", re.DOTALL)
MEASURES = ["rouge1", "rouge2", "rougeL"]

Number = float
Box = Sequence[Number]


@dataclass(frozen=True, slots=True)
class Marks:
    """The four numbers of an item."""

    reward: float
    accuracy: float
    format: float
    structure: float

    def is_near(self, other: "Marks", distance: float) -> bool:
        """Whether no number is further from its counterpart than that."""
        mine, theirs = astuple(self), astuple(other)
        return all(abs(a - b) <= distance for a, b in zip(mine, theirs, strict=True))


def score_item(sample: Sample) -> Marks:
    """Score one well-formed item by the released spec."""
    response = SPACED_MARK.sub(r"\1", sample.response)
    enveloped = ENVELOPE.fullmatch(response) is not None
    block = ANSWER.search(response)
    answer = (block.group(1).strip() if block else "") or response.strip()
    truth = str(sample.ground_truth)
    name = sample.kind if sample.kind != "segmentation" else f"segmentation/{sample.media_type}"
    accuracy = ACCURACY[name](answer, truth)
    structure = STRUCTURE.get(name, _whole)(answer, truth) if enveloped else 0.0
    reward = 0.9 * accuracy + 0.1 * enveloped + structure
    return Marks(reward, accuracy, float(enveloped), structure)


def _multiple_choice(answer: str, truth: str) -> float:
    return float(grade_answer(answer.strip(), truth.strip()))


def _math(answer: str, truth: str) -> float:
    return float(verify(parse(truth), parse(answer)))


def _numerical(answer: str, truth: str) -> float:
    number = _float(answer)
    return float(number is not None and round(number, 2) == round(float(truth), 2))


def _regression(answer: str, truth: str) -> float:
    number = _float(answer)
    if number is None:
        return 0.0
    p, t = np.float32(number), np.float32(truth)
    error = np.abs(p - t) / (np.abs(t) + np.float32(1e-8))
    within = error < 1 - np.linspace(0.5, 0.95, 10, dtype=np.float32)
    return float(within.astype(np.float32).mean())


def _float(text: str) -> float | None:
    try:
        return float(text.replace(",", ""))
    except ValueError:
        return None


def _ocr(answer: str, truth: str) -> float:
    words, true = answer.split(), truth.split()
    row = list(range(len(words) + 1))
    for i, expected in enumerate(true, 1):
        before, row[0] = row[0], i
        for j, word in enumerate(words, 1):
            before, row[j] = row[j], min(row[j] + 1, row[j - 1] + 1, before + (word != expected))
    return max(0.0, 1.0 - row[-1] / max(1, len(true)))


def _open_ended(answer: str, truth: str) -> float:
    scores = RougeScorer(MEASURES, use_stemmer=True).score(truth, answer)
    return min(1.0, sum(scores[measure].fmeasure for measure in MEASURES) / 3)


def _temporal(answer: str, truth: str) -> float:
    told, true = _object(answer), json.loads(truth)
    return _interval_iou(told["time"], true["time"]) if "time" in told else 0.0


def _spatial(answer: str, truth: str) -> float:
    told, true = _object(answer), json.loads(truth)
    return _box_iou(told["boxes"], true["boxes"]) if "boxes" in told else 0.0


def _tube(answer: str, truth: str) -> float:
    told, true = _object(answer), json.loads(truth)
    boxes = told.get("boxes", {})
    common = [frame for frame in boxes if frame in true["boxes"]]
    ious = [_box_iou(boxes[frame], true["boxes"][frame]) for frame in common]
    mean = sum(ious) / len(ious) if ious else 0.0
    overlap = _interval_iou(told["time"], true["time"]) if "time" in told else 0.0
    return 0.5 * overlap + 0.5 * mean


def _tracking(answer: str, truth: str) -> float:
    told, true = _object(answer).get("boxes", {}), json.loads(truth)["boxes"]
    return sum(_box_iou(told[k], box) for k, box in true.items() if k in told) / len(true)


def _image(answer: str, truth: str) -> float:
    told, true = _object(answer), json.loads(truth)
    if not _guides(told):
        return 0.0
    box, near, far = _guidance(told, true)
    return 0.5 * box + 0.25 * near + 0.25 * far


def _video(answer: str, truth: str) -> float:
    told, true = _object(answer), json.loads(truth)
    if not _guides(told) or "time" not in told:
        return 0.0
    box, near, far = _guidance(told, true)
    time = math.exp(-abs(told["time"] - true["time"]) / 2.0)
    return 0.3 * box + 0.3 * time + 0.2 * near + 0.2 * far


def _guides(told: Mapping[str, Any]) -> bool:
    return "positive_points" in told and "negative_points" in told


def _guidance(told: Mapping[str, Any], true: Mapping[str, Any]) -> tuple[float, float, float]:
    near, far = (
        math.exp(-(_distance(told[side], true[side]) ** 2) / (2 * 50.0**2))
        for side in ("positive_points", "negative_points")
    )
    return _box_iou(told["boxes"], true["boxes"]) if "boxes" in told else 0.0, near, far


def _distance(told: Sequence[Box], true: Sequence[Box]) -> float:
    orders = permutations(range(len(true)))
    sums = (sum(math.dist(told[i], true[j]) for j, i in enumerate(order)) for order in orders)
    return min(sums) / len(true)


def _interval_iou(a: Box, b: Box) -> float:
    overlap = max(0.0, min(a[1], b[1]) - max(a[0], b[0]))
    hull = max(a[1], b[1]) - min(a[0], b[0])
    return overlap / hull if hull > 1e-12 else 0.0


def _box_iou(a: Box, b: Box) -> float:
    width = max(0.0, min(a[2], b[2]) - max(a[0], b[0]))
    height = max(0.0, min(a[3], b[3]) - max(a[1], b[1]))
    union = _area(a) + _area(b) - width * height
    return width * height / union if union > 1e-12 else 0.0


def _area(box: Box) -> float:
    return max(0.0, box[2] - box[0]) * max(0.0, box[3] - box[1])


def _object(text: str) -> dict[str, Any]:
    try:
        value = json.loads(text)
    except ValueError:
        return {}
    return value if isinstance(value, dict) else {}


def _whole(answer: str, truth: str) -> float:  # noqa: ARG001 - one shape for all
    return 0.5


def _if_it_has(*fields: str) -> Callable[[str, str], float]:
    return lambda answer, truth: 0.5 * all(field in _object(answer) for field in fields)  # noqa: ARG005 - one shape for all


def _frames(*fields: str) -> Callable[[str, str], float]:
    def structure(answer: str, truth: str) -> float:
        told, true = _object(answer), json.loads(truth)["boxes"]
        whole = all(field in told for field in fields)
        return 0.25 * whole + 0.25 * sum(k in told.get("boxes", {}) for k in true) / len(true)

    return structure


POINTS = ("boxes", "positive_points", "negative_points")
ACCURACY: Mapping[str, Callable[[str, str], float]] = {
    "multiple_choice": _multiple_choice,
    "numerical": _numerical,
    "math": _math,
    "regression": _regression,
    "ocr": _ocr,
    "open_ended": _open_ended,
    "temporal_grounding": _temporal,
    "spatial_grounding": _spatial,
    "spatial_temporal_grounding": _tube,
    "tracking": _tracking,
    "segmentation/image": _image,
    "segmentation/video": _video,
}
STRUCTURE: Mapping[str, Callable[[str, str], float]] = {
    "temporal_grounding": _if_it_has("time"),
    "spatial_grounding": _if_it_has("boxes"),
    "spatial_temporal_grounding": _frames("time", "boxes"),
    "tracking": _frames("boxes"),
    "segmentation/image": _if_it_has(*POINTS),
    "segmentation/video": _if_it_has(*POINTS, "time"),
}
