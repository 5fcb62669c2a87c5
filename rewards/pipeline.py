"""From a response to its reward: envelope, truth, accuracy, format, structure, combination.

The three steps stand apart so that an engine can put the middle one where it belongs:
`prepare` and `conclude` are cheap and pure, `judge` may hang for isolated kinds.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

from rewards.errors import BadTruth, RewardError
from rewards.format import open_envelope
from rewards.registry import RewardKind, lookup
from rewards.sample import JSON, Sample
from rewards.score import Score, Scored, Unscored, Verdict
from rewards.specs import Spec
from rewards.structure import TEXT
from rewards.text.tags import extract_answer

NO_ANSWER = "no <answer> block"

Cause = tuple[str, str | None, str]


@dataclass(slots=True)
class Memo:
    """What the items of one batch share: truths already read, answers already judged."""

    truths: dict[Cause, Any] = field(default_factory=dict)
    scores: dict[tuple[str, str | None, str, str], Score] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Prepared:
    """An item taken apart and ready to be judged.

    `block` is the text of the answer block and `text` what accuracy is judged on, each None
    when there is none; `answer` is what the kind's reader made of it. `source` is the truth as
    it came, `truth` what was read; `error` says why the item cannot be judged.
    """

    kind: RewardKind
    block: str | None
    text: str | None
    answer: Any
    source: JSON
    truth: Any
    format: float
    structure: float
    error: RewardError | None = None


def prepare(sample: Sample, spec: Spec, memo: Memo) -> Prepared:
    """Take one item apart; raises `UnknownKind`, and keeps a `BadTruth` for `conclude`."""
    kind = lookup(sample.kind, sample.media_type)
    envelope = open_envelope(sample.response, spec)
    answer = kind.shape.read(envelope.judged or "", spec.answers == "strict")
    source, truth, error = None, None, None
    try:
        source = _source(sample.ground_truth, kind, spec)
        truth = _read_truth(source, kind, memo)
    except BadTruth as bad:
        error = bad
    fits = spec.tags != "paper" or (envelope.judged is not None and kind.shape.fits(answer))
    structured = envelope.enveloped and spec.structure_weight > 0.0
    return Prepared(
        kind=kind,
        block=envelope.answer,
        text=envelope.judged,
        answer=answer,
        source=source,
        truth=truth,
        format=float(envelope.enveloped and fits),
        structure=kind.shape.reward(answer, _frames(truth)) if structured else 0.0,
        error=error,
    )


def judge(item: Prepared, spec: Spec) -> Score | RewardError:
    """Judge an item's accuracy by its kind's rule, here and now.

    Not covered: an isolated kind may hang or take all memory; call it where it can be killed.
    """
    if item.error is not None:
        return item.error
    if item.text is None:
        return Score.miss(NO_ANSWER)
    try:
        return item.kind.judge(item.answer, item.truth, spec)
    except RewardError as error:
        return error


def conclude(item: Prepared, outcome: Score | RewardError, spec: Spec) -> Verdict:
    """Combine accuracy, format and structure into the reward. Source: paper eq. 1."""
    if isinstance(outcome, RewardError):
        return Unscored(item.format, item.structure, outcome)
    return Scored(
        reward=spec.accuracy_weight * outcome.value
        + spec.format_weight * item.format
        + spec.structure_weight * item.structure,
        accuracy=outcome.value,
        format=item.format,
        structure=item.structure,
        parts=outcome.parts,
        reason=outcome.reason,
        scorer=outcome.scorer,
    )


def score_batch(samples: Iterable[Sample], spec: Spec) -> list[Verdict]:
    """Score items in order, each by its kind's rule, in this process.

    Items that share a truth read it once; items that share the answer too are judged once.
    An item that cannot be judged, an unknown kind included, is `Unscored` and its neighbours
    are not touched.

    >>> from rewards.specs import ONETHINKER_RELEASED
    >>> sample = Sample("ocr", "<think>a</think><answer>the cat</answer>", "the cat")
    >>> score_batch([sample], ONETHINKER_RELEASED)[0].reward
    1.5
    """
    memo = Memo()
    return [_score_one(sample, spec, memo) for sample in samples]


def _score_one(sample: Sample, spec: Spec, memo: Memo) -> Verdict:
    try:
        item = prepare(sample, spec, memo)
    except RewardError as error:
        return Unscored(0.0, 0.0, error)
    key = memo_key(item)
    outcome: Score | RewardError | None = memo.scores.get(key) if key else None
    if outcome is None:
        outcome = judge(item, spec)
        if key and isinstance(outcome, Score):
            memo.scores[key] = outcome
    return conclude(item, outcome, spec)


def memo_key(item: Prepared) -> tuple[str, str | None, str, str] | None:
    """Return what decides the item's accuracy, or None when it has no such short name."""
    if item.text is None or not isinstance(item.source, str) or item.kind.masks:
        return None
    return item.kind.name, item.kind.media, item.source, item.text


def _source(truth: JSON, kind: RewardKind, spec: Spec) -> JSON:
    source = extract_answer(truth) or truth if isinstance(truth, str) else truth
    if kind.shape is not TEXT:
        return source
    if isinstance(source, int | float) and not isinstance(source, bool):
        return str(source)
    if not isinstance(source, str):
        raise BadTruth(f"expected text or a number as ground truth, got {type(source).__name__}")
    if spec.answers == "strict" and not source.strip() and not kind.takes_empty_truth:
        raise BadTruth("the ground truth is empty")
    return source


def _read_truth(source: JSON, kind: RewardKind, memo: Memo) -> Any:
    if not isinstance(source, str):
        return kind.read_truth(source)
    key = (kind.name, kind.media, source)
    if key not in memo.truths:
        memo.truths[key] = kind.read_truth(source)
    return memo.truths[key]


def _frames(truth: Any) -> Iterable[str]:
    boxes = getattr(truth, "boxes", truth)
    return boxes if isinstance(boxes, Mapping) else ()
