"""Tests for `service.engine.scoring`, with real workers."""

import asyncio
import json
import time
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from rewards.errors import MissingInput, ModelFailed, NoModel, OutOfTime
from rewards.pipeline import score_batch
from rewards.ports import Health
from rewards.sample import Sample
from rewards.score import Scored, Unscored
from rewards.specs import ONETHINKER_PAPER, ONETHINKER_RELEASED, Spec
from service.engine.isolation.cases import IsolationLimits
from service.engine.isolation.pool import IsolatedPool
from service.engine.scoring import ScoringEngine
from tests.strategies import hostile_answers

RAW = Spec(name="raw", similarity_normalisation="raw")


class LengthModel:
    """A similarity model that scores an output by its length and fails on the word `fail`."""

    scorer = "length"

    def __init__(self):
        self.asked = []

    async def start(self):
        """Nothing to load."""

    async def compare(self, comparisons, *, deadline=None):  # noqa: ARG002 - it is never late
        """One score for each, or a failure."""
        self.asked.extend(comparisons)
        return [
            ModelFailed("asked to fail") if "fail" in c.output else float(len(c.output))
            for c in comparisons
        ]

    def health(self):
        """Always ready."""
        return Health(ready=True)

    def usage(self):
        """Nothing to count."""
        return {}

    async def close(self):
        """Nothing to let go of."""


@pytest.fixture(scope="module")
def workers():
    """Workers that the tests of this module share, and the loop they live on."""
    with asyncio.Runner() as runner:
        pool = IsolatedPool(IsolationLimits(workers=2, cpu_s=1.0, patience=60))
        runner.run(pool.start())
        yield runner, pool
        runner.run(pool.close())


@pytest.fixture
def score(workers):
    """Score samples with an engine of the test's own on the shared workers."""
    runner, pool = workers

    def run(samples, spec=ONETHINKER_RELEASED, *, similarity=None, seconds=None):
        engine = ScoringEngine(pool, similarity=similarity)
        deadline = None if seconds is None else time.monotonic() + seconds
        return runner.run(engine.score(samples, spec, deadline=deadline))

    return run


def wrap(answer):
    """The answer in its envelope."""
    return f"<think>a</think><answer>{answer}</answer>"


def test_the_engine_says_what_the_library_says(score):
    """Lanes, caches and processes change no verdict on the recorded rows."""
    rows = [
        json.loads(line)
        for line in Path("tests/golden/rewards.jsonl").read_text(encoding="utf-8").splitlines()
    ]
    samples = [
        Sample(
            row["problem_type"],
            row["response"],
            row["ground_truth"],
            media_type=row["data_type"],
        )
        for row in rows
    ]
    verdicts = score(samples)
    for verdict, expected in zip(verdicts, score_batch(samples, ONETHINKER_RELEASED), strict=True):
        if isinstance(expected, Unscored):
            assert type(verdict.error) is type(expected.error)
        else:
            assert verdict == expected


ISOLATED = [("math", "$x+1$"), ("math", r"$\{1,2\}$"), ("multiple_choice", "B")]


@settings(max_examples=25, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.lists(hostile_answers, min_size=1, max_size=8), st.sampled_from(ISOLATED))
@pytest.mark.promise(21)
def test_hostile_formulas_and_options_get_a_number(score, answers, row):
    """Whatever the policy writes, in whatever company, its accuracy is 0 or 1."""
    kind, truth = row
    for verdict in score([Sample(kind, wrap(str(answer)), truth) for answer in answers]):
        assert isinstance(verdict, Scored), verdict
        assert verdict.accuracy in {0.0, 1.0}


@pytest.mark.promise(24)
def test_long_texts_are_judged_elsewhere_and_alike(score):
    """A text too long for the event loop scores in a worker what it scores here."""
    samples = [Sample("ocr", wrap("word " * 5000), "word " * 5000)] * 2
    assert score(samples) == score_batch(samples, ONETHINKER_RELEASED)


def test_the_same_case_is_judged_once_and_remembered(workers):
    """Rollouts that answer alike share one evaluation, and so do later requests."""
    runner, pool = workers
    engine = ScoringEngine(pool)
    samples = [Sample("math", wrap("$x^2+2x+1$"), "$(x+1)^2$")] * 8
    first = runner.run(engine.score(samples, ONETHINKER_RELEASED))
    misses = engine.cache.misses
    again = runner.run(engine.score(samples, ONETHINKER_RELEASED))
    assert first == again
    assert {verdict.accuracy for verdict in first} == {1.0}
    assert engine.cache.misses == misses
    assert engine.cache.hits > 0


def test_a_deadline_returns_what_is_done(score):
    """Items after the deadline are unscored and retryable, and none is lost."""
    samples = [Sample("ocr", wrap("a"), "a"), Sample("math", wrap("$9^{9^{9^{9}}}$"), "42")]
    done, late = score(samples, seconds=0.5)
    assert isinstance(done, Scored)
    assert isinstance(late.error, OutOfTime)
    assert all(isinstance(v.error, OutOfTime) for v in score(samples, seconds=0.0))


def test_a_model_judges_where_there_is_one(score):
    """Scores are normalised inside a group, and every result names its scorer."""
    samples = [Sample("open_ended", wrap("a" * n), "ref", prompt="p", group="g") for n in (1, 2, 3)]
    verdicts = score(samples, similarity=LengthModel())
    assert [v.accuracy for v in verdicts] == pytest.approx([0.0, 0.5, 1.0])
    assert {v.scorer for v in verdicts} == {"length"}
    assert [v.parts["raw_score"] for v in verdicts] == [1.0, 2.0, 3.0]


def test_a_failure_of_the_model_is_never_a_number(score):
    """The item is unscored and retryable; its group, normalised as a whole, waits with it."""
    samples = [
        Sample("caption", wrap(answer), "ref", prompt="p", group=group)
        for answer, group in (("fail", "g"), ("aa", "g"), ("a", "h"), ("aa", "h"))
    ]
    failed, beside, low, high = score(samples, similarity=LengthModel())
    assert isinstance(failed.error, ModelFailed)
    assert isinstance(beside.error, ModelFailed)
    assert (low.accuracy, high.accuracy) == pytest.approx((0.0, 1.0))


def test_raw_scores_need_no_group(score):
    """A spec may ask for the model's own scale; neighbours then do not matter."""
    samples = [Sample("caption", wrap(answer), "ref", prompt="p") for answer in ("fail", "aa")]
    failed, scored = score(samples, RAW, similarity=LengthModel())
    assert isinstance(failed.error, ModelFailed)
    assert scored.accuracy == 2.0


def test_a_model_needs_a_prompt(score):
    """Without one the item cannot be judged, and the error names the field."""
    (verdict,) = score([Sample("caption", wrap("a"), "ref")], RAW, similarity=LengthModel())
    assert isinstance(verdict.error, MissingInput)
    assert "`prompt`" in str(verdict.error)


def test_the_model_reads_the_answer_block_only(score):
    """A response without an answer block offers the model an empty output, as released."""
    model = LengthModel()
    score([Sample("caption", "no tags", "ref", prompt="p")], RAW, similarity=model)
    assert [comparison.output for comparison in model.asked] == [""]


def test_without_a_model_the_spec_decides(score):
    """The released spec falls back on ROUGE for all; the paper's has no number to give."""
    sample = Sample("open_ended", wrap("two dogs"), "two dogs", prompt="p")
    (released,), (paper,) = score([sample]), score([sample], ONETHINKER_PAPER)
    assert (released.accuracy, released.scorer) == (1.0, "rouge")
    assert isinstance(paper.error, NoModel)
