"""What a batch needs: verdicts reached at once, and the work that is left for other lanes."""

from dataclasses import dataclass, field

from rewards.errors import NoModel, OutOfTime, RewardError
from rewards.pipeline import (
    Memo,
    Opened,
    Prepared,
    conclude,
    give_up,
    judge,
    judge_at_once,
    open_item,
    prepare,
)
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
SKIPPED = Unscored(0.0, 0.0, LATE)
NEEDS_MODEL = NoModel("this spec asks for a similarity model, and the service has none")


@dataclass(slots=True)
class Plan:
    """The items of one request, judged at once where that is cheap, sorted by lane elsewhere.

    `cases` maps each distinct isolated case to the distinct items that wait for it, and `places`
    each of those to where it stands in the batch. `likenesses` maps places to what the similarity
    model is asked, `looks` to what the mask model looks at, and `left` to the items of both.
    """

    spec: Spec
    has_model: bool
    has_masks: bool
    cache: VerdictCache
    memo: Memo = field(default_factory=Memo)
    verdicts: list[Verdict] = field(default_factory=list)
    cases: dict[Case, list[Prepared]] = field(default_factory=dict)
    places: dict[Opened, list[int]] = field(default_factory=dict)
    likenesses: dict[int, Likeness] = field(default_factory=dict)
    looks: dict[int, Look] = field(default_factory=dict)
    left: dict[int, Prepared] = field(default_factory=dict)

    def skip(self) -> None:
        """Leave out an item whose turn came after the deadline."""
        self.verdicts.append(SKIPPED)

    def take(self, sample: Sample) -> None:
        """Judge the next item, or note what judging it takes."""
        try:
            opened = open_item(sample, self.spec, self.memo)
            verdict = self.memo.verdicts.get(opened) or self._meet(opened, sample)
        except Exception as error:  # noqa: BLE001 - the boundary of this item: the others go on
            verdict = give_up(error)
        self.verdicts.append(verdict)

    def _meet(self, opened: Opened, sample: Sample) -> Verdict:
        if opened in self.places:
            self.places[opened].append(len(self.verdicts))
            return SKIPPED
        item = prepare(opened, self.spec)
        outcome = self._judge(item, sample)
        if outcome is None:
            return SKIPPED
        verdict = self.memo.verdicts[opened] = conclude(item, outcome, self.spec)
        return verdict

    def _judge(self, item: Prepared, sample: Sample) -> Outcome | None:
        lane, text, error = item.kind.lane, item.text, item.opened.truth.error
        if error is None and lane is Lane.MASKS and self.has_masks:
            self.looks[self._leave(item)] = Look(item, sample.media)
            return None
        if error is not None or text is None:
            return judge(item, self.spec)
        if lane is Lane.MODEL and (self.has_model or self.spec.similarity == "model"):
            return self._compare(item, sample)
        if lane is Lane.ISOLATED or _is_heavy(text, item):
            return self._isolate(item, text)
        return judge(item, self.spec)

    def _isolate(self, item: Prepared, text: str) -> Outcome | None:
        case = Case(item.kind.name, item.kind.media, text, str(item.source))
        known = judge_at_once(item) or self.cache.get((case, self.spec.digest))
        if known is None:
            self.places[item.opened] = [len(self.verdicts)]
            self.cases.setdefault(case, []).append(item)
        return known

    def _compare(self, item: Prepared, sample: Sample) -> Outcome | None:
        if not self.has_model:
            return NEEDS_MODEL
        output = item.opened.envelope.answer or ""
        likeness = Likeness(sample.prompt, str(item.source), output, sample.group)
        self.likenesses[self._leave(item)] = likeness
        return None

    def _leave(self, item: Prepared) -> int:
        place = len(self.verdicts)
        self.left[place] = item
        return place

    def settle_case(self, case: Case, outcome: Outcome) -> None:
        """Give an isolated case's outcome to every item that waits for it, and remember it."""
        for item in self.cases[case]:
            verdict = conclude(item, outcome, self.spec)
            for place in self.places[item.opened]:
                self.verdicts[place] = verdict
        if isinstance(outcome, Score) and outcome.reason is None:
            self.cache.put((case, self.spec.digest), outcome, len(case.truth) + len(case.answer))

    def settle(self, place: int, outcome: Outcome) -> None:
        """Give an item what a model made of it."""
        self.verdicts[place] = conclude(self.left[place], outcome, self.spec)


def _is_heavy(text: str, item: Prepared) -> bool:
    return item.kind.shape is TEXT and len(text) + len(str(item.source)) > LIGHT_CHARACTERS
