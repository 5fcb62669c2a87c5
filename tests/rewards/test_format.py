"""Tests for `rewards.format`."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rewards.format import Envelope, open_at_length, open_envelope
from rewards.specs import ONETHINKER_PAPER, ONETHINKER_RELEASED


@pytest.mark.parametrize(
    ("response", "released", "paper"),
    [
        pytest.param(
            "<think>a</think><answer> a / b </answer>",
            Envelope(enveloped=True, answer="a/b", judged="a/b"),
            Envelope(enveloped=True, answer="a / b", judged="a / b"),
            id="white-space-in-the-answer",
        ),
        pytest.param(
            "<think>a</think><answer></answer>",
            Envelope(enveloped=True, answer="", judged="<think>a</think><answer></answer>"),
            Envelope(enveloped=True, answer="", judged=""),
            id="empty-answer",
        ),
        pytest.param(
            " B ",
            Envelope(enveloped=False, answer=None, judged="B"),
            Envelope(enveloped=False, answer=None, judged=None),
            id="no-tags",
        ),
        pytest.param(
            "<answer>B</answer>",
            Envelope(enveloped=False, answer="B", judged="B"),
            Envelope(enveloped=False, answer="B", judged="B"),
            id="no-thought",
        ),
    ],
)
def test_a_response_is_taken_apart_by_the_specs_rule(response, released, paper):
    """The released rule judges something in every response, the paper's only an answer block."""
    assert open_envelope(response, ONETHINKER_RELEASED) == released
    assert open_envelope(response, ONETHINKER_PAPER) == paper


pieces = st.sampled_from(
    (
        "<think>",
        "</think>",
        "<answer>",
        "</answer>",
        "<",
        ">",
        "/",
        " ",
        "\n",
        "a",
        "B",
        "< think >",
    )
)
texts = st.lists(pieces, max_size=6).map("".join)
responses = texts | st.tuples(texts, texts, texts, texts, texts).map(
    "{0[0]}<think>{0[1]}</think>{0[2]}<answer>{0[3]}</answer>{0[4]}".format
)


@pytest.mark.parametrize("spec", [ONETHINKER_RELEASED, ONETHINKER_PAPER], ids=lambda s: s.name)
@given(response=responses)
def test_the_short_way_is_the_long_way(spec, response):
    """Plain responses are taken apart by a glance at their tags, and come apart the same."""
    assert open_envelope(response, spec) == open_at_length(response, spec)
