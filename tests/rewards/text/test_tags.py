"""Tests for `rewards.text.tags`."""

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rewards.text.tags import extract_answer, is_enveloped, tighten, tighten_tags

pieces = st.sampled_from(
    ("<think>", "</think>", "<answer>", "</answer>", "<", ">", "/", " ", "\n", "\u2003", "a", "B")
)
responses = st.lists(pieces, max_size=14).map("".join)

ENVELOPE = re.compile(r"\A\s*<think>.*?</think>\s*<answer>.*?</answer>\s*\Z", re.DOTALL)
ANSWER = re.compile(r"<answer>\s*(.*?)\s*</answer>", re.DOTALL)


@given(responses)
def test_tightening_is_the_regular_expression_without_its_cost(response):
    """White space goes from both sides of every `<`, `>` and `/`, and only from there."""
    assert tighten(response) == re.sub(r"\s*(<|>|/)\s*", r"\1", response)


@given(responses)
def test_an_envelope_is_what_the_pattern_matches(response):
    """The tag rule agrees with its statement as a pattern."""
    assert is_enveloped(response) == bool(ENVELOPE.fullmatch(response))


@given(responses)
def test_the_answer_is_what_the_pattern_captures(response):
    """The first block's content agrees with its statement as a pattern."""
    match = ANSWER.search(response)
    assert extract_answer(response) == (match.group(1).strip() if match else None)


@pytest.mark.parametrize(
    ("response", "expected"),
    [
        pytest.param("< think >a</ think >< answer >B</ answer >", True, id="spaced-tags"),
        pytest.param("<think>a</think><answer>B</answer><answer>C</answer>", True, id="two"),
        pytest.param("<think>a</think><think>b</think><answer>B</answer>", True, id="think-twice"),
        pytest.param("<think>a</think>x<answer>B</answer>", False, id="text-between"),
        pytest.param("<THINK>a</THINK><ANSWER>B</ANSWER>", False, id="upper-case"),
        pytest.param("<think>a</think><answer>B</answer> done", False, id="trailing"),
        pytest.param("<think></answer>", False, id="no-joint"),
        pytest.param("<think></think><answer></answer>", True, id="empty"),
    ],
)
def test_the_tag_rule_by_example(response, expected):
    """Both ways of tightening lead to the same verdict on these."""
    assert is_enveloped(tighten(response)) is expected
    assert is_enveloped(tighten_tags(response)) is expected


def test_only_tags_are_tightened_for_the_paper():
    """White space around other marks is the answer's own."""
    text = "< answer > a / b < c </ answer >"
    assert tighten_tags(text) == "<answer> a / b < c </answer>"
    assert tighten(text) == "<answer>a/b<c</answer>"


@pytest.mark.parametrize("mark", ["<", "< ", "</think> ", "<think>", " \n"])
def test_long_runs_of_marks_take_linear_work(mark):
    """A response of 300,000 marks is taken apart, whatever the verdict."""
    response = "<think>" + mark * 100_000 + "</answer>"
    assert is_enveloped(tighten(response)) is False
    assert is_enveloped(tighten_tags(response)) is False
