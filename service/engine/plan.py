"""What a batch needs: verdicts reached at once, and the work that is left for other lanes."""

from collections.abc import Hashable
from dataclasses import dataclass, field

from rewards.errors import NoModel, OutOfTime, RewardError
from rewards.pipeline import NO_ANSWER, Memo, Prepared, conclude, judge, memo_key, prepare
from rewards.registry import Lane
from rewards.sample import Sample
from rewards.score import Score, Unscored, Verdict
from rewards.specs import Spec
from rewards.structure import TEXT
from service.engine.cache import VerdictCache
from service.engine.isolation.cases import Case
from service.engine.masks import Look
from service.engine.similarity import Likeness

Outcome = Score | RewardError

# Longer texts may take milliseconds even where the rule is linear.
LIGHT_CHARACTERS = 20_000
LATE = OutOfTime("the deadline passed before this item was judged")
NEEDS_MODEL = NoModel("this spec asks for a similarity model, and the service has none")


@dataclass(slots=True)
class Plan:
    """The items of one request, judged at once where that is cheap, sorted by lane elsewhere.

    `cases` maps each distinct isolated case to the items that wait for it; `likenesses` maps
    items to what the similarity model is asked, `looks` to what the mask model looks at.
    """

    spec: Spec
    has_model: bool
    has_masks: bool
    cache: VerdictCache
    memo: Memo = field(default_factory=Memo)
    items: list[Prepared | Unscored] = field(default_factory=list)
    outcomes: list[Outcome] = field(default_factory=list)
    cases: dict[Case, list[int]] = field(default_factory=dict)
    likenesses: dict[int, Likeness] = field(default_factory=dict)
    looks: dict[int, Look] = field(default_factory=dict)

    def skip(self) -> None:
        """Leave out an item whose turn came after the deadline."""
        self.items.append(Unscored(0.0, 0.0, LATE))
        self.outcomes.append(LATE)

    def take(self, sample: Sample) -> None:
        """Prepare the next item and judge it, or note what judging it takes."""
        index = len(self.items)
        try:
            item = prepare(sample, self.spec, self.memo)
        except RewardError as error:
            self.items.append(Unscored(0.0, 0.0, error))
            self.outcomes.append(error)
            return
        self.items.append(item)
        self.outcomes.append(self._judge(item, sample, index))

    def _judge(self, item: Prepared, sample: Sample, index: int) -> Outcome:
        if item.error is None and item.kind.lane is Lane.MASKS and self.has_masks:
            self.looks[index] = Look(item, sample.media)
            return LATE
        if item.error is not None or item.text is None:
            return item.error or Score.miss(NO_ANSWER)
        if item.kind.lane is Lane.MODEL and (self.has_model or self.spec.similarity == "model"):
            return self._compare(item, sample, index)
        key = memo_key(item)
        if key is None:
            return judge(item, self.spec)
        outcome: Outcome | None = self.memo.scores.get(key)
        if outcome is None:
            outcome = self._judge_text(item, item.text, key, index)
            if isinstance(outcome, Score):
                self.memo.scores[key] = outcome
        return outcome

    def _judge_text(self, item: Prepared, text: str, key: Hashable, index: int) -> Outcome:
        truth = str(item.source)
        light = len(text) + len(truth) <= LIGHT_CHARACTERS or item.kind.shape is not TEXT
        if item.kind.lane is not Lane.ISOLATED and light:
            return judge(item, self.spec)
        quick = item.kind.shortcut(text, truth) if item.kind.shortcut else None
        known = quick or self.cache.get((key, self.spec.digest))
        if known is not None:
            return known
        case = Case(item.kind.name, item.kind.media, text, truth)
        self.cases.setdefault(case, []).append(index)
        return LATE

    def _compare(self, item: Prepared, sample: Sample, index: int) -> Outcome:
        if not self.has_model:
            return NEEDS_MODEL
        self.likenesses[index] = Likeness(
            sample.prompt, str(item.source), item.block or "", sample.group
        )
        return LATE

    def settle_case(self, case: Case, outcome: Outcome) -> None:
        """Give an isolated case's outcome to every item that waits for it, and remember it."""
        for index in self.cases[case]:
            self.outcomes[index] = outcome
        if isinstance(outcome, Score) and outcome.reason is None:
            key = (case.kind, case.media, case.truth, case.answer)
            self.cache.put((key, self.spec.digest), outcome, len(case.truth) + len(case.answer))

    def verdicts(self) -> list[Verdict]:
        """Combine what every item was found to be, in order."""
        return [
            item if isinstance(item, Unscored) else conclude(item, outcome, self.spec)
            for item, outcome in zip(self.items, self.outcomes, strict=True)
        ]
