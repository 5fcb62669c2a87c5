"""The format reward: does the response think first and then answer?"""

from typing import NamedTuple

from rewards.specs import Spec
from rewards.text.tags import extract_answer, is_enveloped, read_plain, tighten, tighten_tags


class Envelope(NamedTuple):
    """A response taken apart.

    `enveloped` is the tag rule; `answer` is what stands in the answer block, None without one;
    `judged` is the text whose accuracy counts, None when there is nothing to judge.
    """

    enveloped: bool
    answer: str | None
    judged: str | None


def open_envelope(response: str, spec: Spec) -> Envelope:
    """Take a response apart by the tag rule of `spec`.

    Released: tags are tightened in the whole response, and without an answer block, or with an
    empty one, the whole response is judged. Paper: only an answer block is.

    >>> from rewards.specs import ONETHINKER_PAPER, ONETHINKER_RELEASED
    >>> open_envelope("<think>a</think><answer> B </answer>", ONETHINKER_PAPER)
    Envelope(enveloped=True, answer='B', judged='B')
    >>> open_envelope("B", ONETHINKER_RELEASED).judged, open_envelope("B", ONETHINKER_PAPER).judged
    ('B', None)
    """
    plain = read_plain(response.strip())
    if plain is not None:
        answer = (plain if spec.tags == "paper" else tighten(plain)).strip()
        if answer or spec.tags == "paper":
            return Envelope(True, answer, answer)
    return open_at_length(response, spec)


def open_at_length(response: str, spec: Spec) -> Envelope:
    """Take a response apart by the rule as it is stated, whatever it looks like."""
    if spec.tags == "paper":
        text = tighten_tags(response)
        answer = extract_answer(text)
        return Envelope(is_enveloped(text), answer, answer)
    text = tighten(response)
    answer = extract_answer(text)
    return Envelope(is_enveloped(text), answer, answer or text.strip())
