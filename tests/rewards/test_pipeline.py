"""Tests for `rewards.pipeline`."""

import math
import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rewards.errors import BadTruth, ScorerFailed, UnknownKind
from rewards.pipeline import score_batch
from rewards.registry import KINDS, Lane, lookup
from rewards.sample import Sample
from rewards.score import Scored, Unscored
from rewards.specs import ONETHINKER_PAPER, ONETHINKER_RELEASED, Spec
from tests.strategies import hostile_answers

SPECS = [ONETHINKER_RELEASED, ONETHINKER_PAPER]
POINTS = [[1, 2], [3, 4], [5, 6]]
TRUTHS = {
    "text": "42",
    "span": {"time": [2, 6]},
    "box": {"boxes": [0, 0, 10, 10]},
    "tube": {"time": [2, 6], "boxes": {"2": [0, 0, 10, 10]}},
    "track": {"boxes": {"2": [0, 0, 10, 10]}},
    "image prompts": {"boxes": [0, 0, 9, 9], "positive_points": POINTS, "negative_points": POINTS},
    "video prompts": {
        "time": 1,
        "boxes": [0, 0, 9, 9],
        "positive_points": POINTS,
        "negative_points": POINTS,
    },
}
RULES = [k for k in KINDS if k.lane is not Lane.ISOLATED and k.shape.name in TRUTHS]


def wrap(answer):
    """The answer in its envelope."""
    return f"<think>because</think>\n<answer>{answer}</answer>"


@pytest.mark.parametrize("kind", RULES, ids=lambda kind: f"{kind.name}-{kind.media}")
@given(answer=hostile_answers, wrapped=st.booleans())
@pytest.mark.promise(21)
def test_every_kind_gives_every_answer_a_finite_reward(kind, answer, wrapped):
    """Under both specs, wrapped or not, a verdict is a finite number within its range."""
    response = wrap(answer) if wrapped else answer
    sample = Sample(kind.name, response, TRUTHS[kind.shape.name], media_type=kind.media)
    for spec in SPECS:
        if spec.similarity == "model" and kind.lane is Lane.MODEL:
            continue
        (verdict,) = score_batch([sample], spec)
        assert isinstance(verdict, Scored)
        assert math.isfinite(verdict.reward)
        assert 0.0 <= verdict.accuracy <= 4.0
        assert verdict.format in (0.0, 1.0)
        assert 0.0 <= verdict.structure <= 0.5


def test_the_reward_is_the_specs_combination():
    """Released: 0.9 accuracy + 0.1 format + structure. Paper: accuracy + format."""
    sample = Sample("ocr", wrap("a b"), "a b c d")
    released, paper = (score_batch([sample], spec)[0] for spec in SPECS)
    assert released.reward == pytest.approx(0.9 * 0.5 + 0.1 + 0.5)
    assert (paper.reward, paper.structure) == (pytest.approx(1.5), 0.0)


def test_the_papers_format_asks_for_the_schema():
    """A structured answer that does not parse has no format reward there, tags or not."""
    sample = Sample("temporal_grounding", wrap('{"time": "12"}'), {"time": [2, 6]})
    released, paper = (score_batch([sample], spec)[0] for spec in SPECS)
    assert (released.format, paper.format) == (1.0, 0.0)


def test_without_an_answer_block_the_paper_sees_no_answer():
    """The released code judges the whole response instead."""
    sample = Sample("ocr", "a b", "a b")
    released, paper = (score_batch([sample], spec)[0] for spec in SPECS)
    assert (released.accuracy, paper.accuracy) == (1.0, 0.0)
    assert paper.reason == "no <answer> block"


@pytest.mark.parametrize(
    ("kind", "truth"),
    [
        ("numerical", "three"),
        ("regression", "1e999"),
        ("temporal_grounding", "not json"),
        ("ocr", None),
        ("ocr", {"text": "a"}),
        ("multiple_choice", True),
        ("tracking", ["a"]),
    ],
)
def test_a_bad_truth_costs_that_item_only(kind, truth):
    """The neighbours on both sides are scored; the item has an error and no number."""
    good = Sample("ocr", wrap("a"), "a")
    before, bad, after = score_batch([good, Sample(kind, wrap("1"), truth), good], Spec())
    assert before == after
    assert before.reward == 1.5
    assert isinstance(bad, Unscored)
    assert isinstance(bad.error, BadTruth)
    assert bad.format == 1.0


def test_an_unknown_kind_costs_that_item_only():
    """In the library an unknown kind is an item without a verdict."""
    unknown, known = score_batch([Sample("x", "a", "a"), Sample("ocr", wrap("a"), "a")], Spec())
    assert isinstance(unknown.error, UnknownKind)
    assert known.reward == 1.5


@pytest.mark.parametrize(
    ("truth", "expected"),
    [
        pytest.param("<answer> 42 </answer>", 1.0, id="wrapped"),
        pytest.param(42, 1.0, id="a-json-number"),
        pytest.param(42.0, 1.0, id="a-json-decimal"),
        pytest.param("<answer></answer>42", None, id="an-empty-block-is-not-used"),
    ],
)
def test_a_truth_may_be_wrapped_or_a_number(truth, expected):
    """The truth's own answer block is used when it holds something."""
    (verdict,) = score_batch([Sample("numerical", wrap("42"), truth)], Spec())
    assert getattr(verdict, "accuracy", None) == expected


@pytest.mark.parametrize("kind", ["math", "multiple_choice", "open_ended", "caption"])
def test_an_empty_truth_judges_nothing_in_the_paper(kind):
    """The released code scores 0 against nothing; a strict spec has no number for it."""
    released, paper = (score_batch([Sample(kind, wrap("1"), "")], spec)[0] for spec in SPECS)
    assert released.accuracy == 0.0
    assert isinstance(paper.error, BadTruth)


def test_a_blank_image_is_read_right_by_reading_nothing():
    """For OCR an empty truth is a truth."""
    (verdict,) = score_batch([Sample("ocr", wrap(""), "")], ONETHINKER_PAPER)
    assert verdict.accuracy == 1.0


@given(st.lists(st.tuples(st.sampled_from("ABC"), st.sampled_from("ABC")), max_size=12))
def test_sharing_work_changes_no_verdict(pairs):
    """Items that share truth and answer score as they score alone."""
    samples = [Sample("ocr", wrap(answer), truth) for answer, truth in pairs]
    alone = [score_batch([sample], Spec())[0] for sample in samples]
    assert score_batch(samples, Spec()) == alone


def test_a_rule_that_breaks_costs_its_item_alone(monkeypatch):
    """The item has no number, and says what broke and where but not over what."""

    def judge(item, _):
        raise TypeError(f"cannot judge {item.answer}")

    monkeypatch.setattr("rewards.pipeline.judge", judge)
    before = Sample("no such kind", "", "")
    other, verdict = score_batch([before, Sample("ocr", wrap("secret"), "b")], ONETHINKER_RELEASED)
    assert isinstance(other.error, UnknownKind)
    assert isinstance(verdict.error, ScorerFailed)
    assert re.fullmatch(
        r"the rule failed with TypeError at test_pipeline.py:\d+", str(verdict.error)
    )


@pytest.mark.parametrize(
    ("kind", "answer"),
    [
        ("tracking", '{"boxes": {}}'),
        ("tracking", '{"boxes": {"2": [1, 2]}}'),
        ("spatial_temporal_grounding", '{"boxes": {"2": [1, 2]}}'),
        ("spatial_temporal_grounding", '{"time": "soon", "boxes": {}}'),
        ("math", "none of these"),
        ("math", r"$\frac{$"),
    ],
)
def test_what_cannot_be_read_scores_0_and_says_so(kind, answer):
    """The reason tells a policy that writes nonsense from one that is wrong."""
    truth = TRUTHS[lookup(kind).shape.name]
    (verdict,) = score_batch([Sample(kind, wrap(answer), truth)], ONETHINKER_RELEASED)
    assert verdict.accuracy == 0.0
    assert re.match("expected a JSON object|no formula can be read", verdict.reason)
