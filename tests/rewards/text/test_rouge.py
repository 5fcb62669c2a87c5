"""Tests for `rewards.text.rouge`."""

import pytest
from hypothesis import given
from hypothesis import strategies as st
from rouge_score import rouge_scorer

from rewards.text.rouge import Words, rouge

SCORER = rouge_scorer.RougeScorer(["rouge1", "rouge2", "rougeL"], use_stemmer=True)

texts = st.lists(
    st.sampled_from(
        [
            "running",
            "runs",
            "ran",
            "the",
            "Capital",
            "capitals,",
            "of",
            "don't",
            "x2",
            "yyyyyy",
            "naïve",
            "İstanbul",
        ]
    ),
    max_size=15,
).map(" ".join) | st.text(max_size=40)


@given(texts, texts)
def test_agrees_with_the_rouge_score_package(answer, truth):
    """All three measures are those of the reference implementation."""
    expected = SCORER.score(truth, answer)
    scores = rouge(Words.read(answer), Words.read(truth))
    assert (scores.rouge1, scores.rouge2, scores.rouge_l) == pytest.approx(
        tuple(expected[name].fmeasure for name in ("rouge1", "rouge2", "rougeL")), abs=1e-15
    )


def test_worked_by_hand():
    """Five of six words, four of five pairs, five in order."""
    scores = rouge(
        Words.read("The capital of France is Lyon."), Words.read("The capital of France is Paris.")
    )
    assert (scores.rouge1, scores.rouge2, scores.rouge_l) == pytest.approx((5 / 6, 4 / 5, 5 / 6))
    assert scores.mean == pytest.approx((5 / 6 + 4 / 5 + 5 / 6) / 3)


@given(texts)
def test_a_text_is_like_itself(text):
    """Identity scores 1 as soon as there is a pair of words to compare."""
    read = Words.read(text)
    if len(read.words) > 1:
        assert rouge(read, read).mean == pytest.approx(1.0)
