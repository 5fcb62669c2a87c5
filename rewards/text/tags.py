"""The envelope of a response: `<think>…</think><answer>…</answer>`."""

import re

OPEN, CLOSE = "<answer>", "</answer>"
THINK, THOUGHT, JOINT = "<think>", "</think>", re.compile(r"</think>\s*<answer>")
SPACED_TAG = re.compile(r"<\s*(/?)\s*(think|answer)\s*>")


def tighten(text: str) -> str:
    """Remove white space around every `<`, `>` and `/`, as the released code does first of all.

    It reaches into the answer too: `a / b` becomes `a/b`.

    >>> tighten("< think >a < b</ think >")
    '<think>a<b</think>'
    """
    for mark in "<>/":
        if mark in text:
            first, *rest = text.split(mark)
            if len(rest) > 1:
                rest[:-1] = [piece.strip() for piece in rest[:-1]]
            rest[-1] = rest[-1].lstrip()
            text = mark.join((first.rstrip(), *rest))
    return text


def tighten_tags(text: str) -> str:
    """Remove white space inside the brackets of the four tags and nowhere else.

    >>> tighten_tags("< think >a < b</ think >")
    '<think>a < b</think>'
    """
    return SPACED_TAG.sub(r"<\1\2>", text)


def read_plain(text: str) -> str | None:
    """Return what stands in the answer block of a response that is plain, else None.

    Plain is a response of `<think>…</think>`, white space and `<answer>…</answer>` without any
    other `<`: the tag rule holds, its first answer block is its only one, and tightening cannot
    make or move a tag.

    >>> read_plain("<think>a</think> <answer> B </answer>"), read_plain("<think>a < b</think>B")
    (' B ', None)
    """
    shut = text.find("<", len(THINK))
    opened = text.find("<", shut + 1)
    start, end = opened + len(OPEN), len(text) - len(CLOSE)
    if (
        text.startswith(THINK)
        and text.startswith(THOUGHT, shut)
        and text.startswith(OPEN, opened)
        and text.find("<", start) == end
        and text.endswith(CLOSE)
        and not text[shut + len(THOUGHT) : opened].strip()
    ):
        return text[start:end]
    return None


def extract_answer(text: str) -> str | None:
    """Return the trimmed content of the first answer block, or None when there is none.

    >>> extract_answer("<answer> B </answer><answer>C</answer>"), extract_answer("B")
    ('B', None)
    """
    start = text.find(OPEN)
    if start < 0:
        return None
    start += len(OPEN)
    end = text.find(CLOSE, start)
    return text[start:end].strip() if end >= 0 else None


def is_enveloped(text: str) -> bool:
    """Tell whether `text`, tags tightened, opens with a thought and closes with an answer.

    Apart from outer white space it begins with `<think>`, ends with `</answer>`, and somewhere
    between has `</think>` and `<answer>` with only white space between them.

    >>> is_enveloped("<think>a</think> <answer>B</answer>"), is_enveloped("<answer>B</answer>")
    (True, False)
    """
    body = text.strip()
    if not (body.startswith(THINK) and body.endswith(CLOSE)):
        return False
    return JOINT.search(body, len(THINK), len(body) - len(CLOSE)) is not None
