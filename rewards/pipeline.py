"""From a response to its reward: envelope, truth, accuracy, format, structure, combination.

The steps stand apart so that an engine can put the judging where it belongs: `open_item`,
`prepare` and `conclude` are cheap and pure, `judge` may hang for isolated kinds.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from math import isfinite
from typing import Any, NamedTuple

from msgspec import Struct

from rewards.errors import BadTruth, RewardError, ScorerFailed
from rewards.format import Envelope, open_envelope
from rewards.registry import RewardKind, lookup
from rewards.sample import JSON, Sample
from rewards.score import Score, Scored, Unscored, Verdict
from rewards.specs import Spec
from rewards.structure import TEXT
from rewards.text.tags import extract_answer

NO_ANSWER = "no <answer> block"


@dataclass(frozen=True, slots=True, eq=False)
class Truth:
    """What items of a kind are judged against.

    `source` is the truth as it came, without its tags; `value` what the kind's reader made of it,
    unless `error` says why it made nothing. A truth is equal to itself alone.
    """

    kind: RewardKind
    source: JSON
    value: Any = None
    error: BadTruth | None = None


class Opened(NamedTuple):
    """An item taken apart: all that a rule's verdict depends on."""

    truth: Truth
    envelope: Envelope


@dataclass(slots=True)
class Memo:
    """What the items of one batch share: truths already read, verdicts already reached."""

    truths: dict[tuple[RewardKind, str], Truth] = field(default_factory=dict)
    verdicts: dict[Opened, Verdict] = field(default_factory=dict)


class Prepared(Struct, frozen=True):
    """An item ready to be judged: what the kind's reader made of the answer, and what it earns."""

    opened: Opened
    answer: Any
    format: float
    structure: float

    @property
    def kind(self) -> RewardKind:
        """How the item is judged."""
        return self.opened.truth.kind

    @property
    def source(self) -> JSON:
        """The truth as it came, without its tags."""
        return self.opened.truth.source

    @property
    def text(self) -> str | None:
        """What accuracy is judged on, None when there is nothing."""
        return self.opened.envelope.judged


def open_item(sample: Sample, spec: Spec, memo: Memo) -> Opened:
    """Take one item apart; raises `UnknownKind`, and keeps a `BadTruth` for `judge`."""
    kind = lookup(sample.kind, sample.media_type)
    source = sample.ground_truth
    if not isinstance(source, str):
        truth = _read_truth(source, kind, spec)
    elif (known := memo.truths.get((kind, source))) is not None:
        truth = known
    else:
        truth = memo.truths[kind, source] = _read_truth(source, kind, spec)
    return Opened(truth, open_envelope(sample.response, spec))


def prepare(opened: Opened, spec: Spec) -> Prepared:
    """Read the answer, and see what its format and structure earn."""
    truth, envelope = opened
    shape = truth.kind.shape
    answer = shape.read(envelope.judged or "", spec.answers == "strict")
    fits = spec.tags != "paper" or (envelope.judged is not None and shape.fits(answer))
    structured = envelope.enveloped and spec.structure_weight > 0.0
    return Prepared(
        opened,
        answer,
        format=float(envelope.enveloped and fits),
        structure=shape.reward(answer, _frames(truth.value)) if structured else 0.0,
    )


def judge(item: Prepared, spec: Spec) -> Score | RewardError:
    """Judge an item's accuracy by its kind's rule, here and now.

    Not covered: an isolated kind may hang or take all memory; call it where it can be killed.
    """
    truth, envelope = item.opened
    if truth.error is not None:
        return truth.error
    if envelope.judged is None:
        return Score.miss(NO_ANSWER)
    try:
        return judge_at_once(item) or truth.kind.judge(item.answer, truth.value, spec)
    except RewardError as error:
        return error


def judge_at_once(item: Prepared) -> Score | None:
    """Judge an isolated kind's item if that takes no time, by the same rule; else None."""
    truth, envelope = item.opened
    shortcut = truth.kind.shortcut
    if shortcut is None or envelope.judged is None:
        return None
    return shortcut(envelope.judged, str(truth.source))


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


def give_up(error: Exception) -> Unscored:
    """Leave an item unscored for an error that is about it, or for one that should not be."""
    return Unscored(0.0, 0.0, error if isinstance(error, RewardError) else ScorerFailed.of(error))


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
        opened = open_item(sample, spec, memo)
        verdict = memo.verdicts.get(opened)
        if verdict is None:
            item = prepare(opened, spec)
            verdict = memo.verdicts[opened] = conclude(item, judge(item, spec), spec)
    except Exception as error:  # noqa: BLE001 - the boundary of this item: the others go on
        return give_up(error)
    return verdict


def _read_truth(truth: JSON, kind: RewardKind, spec: Spec) -> Truth:
    source = extract_answer(truth) or truth if isinstance(truth, str) else truth
    try:
        source = _as_text(source, kind, spec) if kind.shape is TEXT else source
        value = kind.read_truth(source)
        if kind.check_truth is not None:
            kind.check_truth(value, spec)
    except BadTruth as error:
        return Truth(kind, source, error=error)
    return Truth(kind, source, value=value)


def _as_digits(number: int | float) -> str:  # noqa: PYI041 - which of the two it is matters
    if isinstance(number, float) and not isfinite(number):
        raise BadTruth(f"expected text or a finite number as ground truth, got {number}")
    try:
        return str(number)
    except ValueError:
        raise BadTruth("expected a number of fewer digits as ground truth") from None


def _as_text(source: JSON, kind: RewardKind, spec: Spec) -> str:
    if isinstance(source, int | float) and not isinstance(source, bool):
        return _as_digits(source)
    if not isinstance(source, str):
        raise BadTruth(f"expected text or a number as ground truth, got {type(source).__name__}")
    if spec.answers == "strict" and not source.strip() and not kind.takes_empty_truth:
        raise BadTruth("the ground truth is empty")
    return source


def _frames(truth: Any) -> Iterable[str]:
    boxes = getattr(truth, "boxes", truth)
    return boxes if isinstance(boxes, Mapping) else ()
