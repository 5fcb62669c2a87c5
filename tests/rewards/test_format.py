"""Tests for `rewards.format`."""

import pytest

from rewards.format import Envelope, open_envelope
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
