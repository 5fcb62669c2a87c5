"""Tests for `rewards.text.tags`."""

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rewards.text.tags import (
    extract_answer,
    is_enveloped,
    read_plain,
    tighten,
    tighten_tags,
)

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
@pytest.mark.promise(24)
def test_long_runs_of_marks_take_linear_work(mark):
    """A response of 300,000 marks is taken apart, whatever the verdict."""
    response = "<think>" + mark * 100_000 + "</answer>"
    assert is_enveloped(tighten(response)) is False
    assert is_enveloped(tighten_tags(response)) is False


outer = st.sampled_from(["", "", "\n", "x", "\u2003"])
plain_responses = st.tuples(outer, responses, responses, responses, outer).map(
    "{0[0]}<think>{0[1]}</think>{0[2]}<answer>{0[3]}</answer>{0[4]}".format
)


@given(plain_responses | responses)
def test_a_plain_response_is_what_the_longer_way_makes_of_it(response):
    """Where a response is read at once, the tag rule holds and its answer is the same."""
    content = read_plain(response)
    if content is None:
        return
    for tightened, answer in ((tighten(response), tighten(content)), (response, content)):
        assert is_enveloped(tightened)
        assert extract_answer(tightened) == answer.strip()
    assert tighten_tags(response) == response


def test_most_responses_are_plain():
    """A thought and an answer with white space between them are, a second tag is not."""
    assert read_plain("<think>a > b</think>\n\n<answer> B\n</answer>") == " B\n"
    assert read_plain("<think>a</think><answer></answer>") == ""
    assert read_plain("<think>a</think>x<answer>B</answer>") is None
    assert read_plain("<think>a < b</think><answer>B</answer>") is None
    assert read_plain("<think></answer>") is None
    assert read_plain("") is None
