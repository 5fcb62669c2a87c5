"""Tests for the quick reading of requests: it accepts nothing that the other one would not."""

import json

import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from pydantic import TypeAdapter, ValidationError

from service.api.plain import PlainItem, PlainRequest, read_plain
from service.api.repeats import RepeatedName, refuse_repeated_names
from service.api.schemas.reward import RewardItem, RewardRequest

RECORD = TypeAdapter(RewardRequest)
ITEM = {"kind": "ocr", "response": "<answer>a</answer>", "ground_truth": "a"}
FIELDS = ("spec", "run", "step", "scale", "deadline_ms")

texts = st.text(st.sampled_from('ab"\\:{},/\u00e9\U0001f600\n\x00'), max_size=8)
# Labels at their longest, runs and media types too, and one character more.
lengths = st.sampled_from([0, 1, 64, 65, 128, 129, 256, 257])
labels = st.builds(lambda length, end: "a" * max(0, length - len(end)) + end, lengths, texts)
numbers = st.sampled_from([0, 1, -1, 5.0, 0.5, 2**53 - 1, 2**53, 2**64, 10**30, 3_600_001, True])
nested = st.recursive(
    texts | numbers | st.none(),
    lambda inner: st.lists(inner, max_size=2) | st.dictionaries(texts, inner, max_size=2),
    max_leaves=4,
)
values = labels | texts | numbers | st.none() | nested | st.just("ema")
items = st.builds(
    lambda given, others: ITEM | given | others,
    st.dictionaries(st.sampled_from(list(RewardItem.model_fields)), labels, max_size=4),
    st.dictionaries(st.sampled_from([*RewardItem.model_fields, "more"]), values, max_size=1),
)
requests = st.builds(
    lambda items, given: {"items": items} | given,
    st.lists(items, max_size=3),
    st.dictionaries(st.sampled_from([*FIELDS, "items", "more"]), values, max_size=2),
)
bodies = st.builds(
    lambda request, ascii_only, spaced: json.dumps(
        request, ensure_ascii=ascii_only, separators=(", ", ": ") if spaced else (",", ":")
    ),
    requests,
    st.booleans(),
    st.booleans(),
)


def accepted(body: bytes) -> RewardRequest | None:
    """What the long way makes of a body, None when it refuses."""
    try:
        record = RECORD.validate_json(body)
        refuse_repeated_names(body)
    except (ValidationError, RepeatedName):
        return None
    return record


def assert_no_more_is_accepted(body: bytes) -> None:
    """What the quick reading accepts, the long one reads as the same."""
    plain = read_plain(body)
    if plain is None:
        return
    record = accepted(body)
    assert record is not None
    assert [getattr(plain, name) for name in FIELDS] == [getattr(record, name) for name in FIELDS]
    for ours, theirs in zip(plain.items, record.items, strict=True):
        for name in RewardItem.model_fields:
            mine, other = getattr(ours, name), getattr(theirs, name)
            assert (type(mine), mine) == (type(other), other)


@given(bodies)
def test_whatever_is_accepted_means_the_same(body):
    """Fields of every type, at and over every bound, escaped or not."""
    assert_no_more_is_accepted(body.encode())


@given(bodies, st.data())
@example('{"items": [], "run": "a", "run": "b"}', None)
def test_whatever_is_accepted_is_sound(body, data):
    """A piece of the body cut out, doubled or swapped for another."""
    content = body.encode()
    if data is not None:
        start = data.draw(st.integers(0, len(content)))
        end = data.draw(st.integers(start, min(len(content), start + 60)))
        pieces = [b"", content[start:end] * 2, b"\xff", b'"', b"null", b',"id":null', b"1e999"]
        content = content[:start] + data.draw(st.sampled_from(pieces)) + content[end:]
    assert_no_more_is_accepted(content)


@pytest.mark.parametrize(
    "written",
    [
        b'"run":"a","run":"a"',
        b'"run":null,"run":"a"',
        b'"run":"a","run":null',
        rb'"run":"a","r\u0075n":"b"',
        rb'"spec":"\u0022","run":"a","run":"b"',
        rb'"spec":"\u0022\u0022\u0022\u0022","spec":"a"',
        b'"step":1,"step":1',
    ],
)
def test_a_name_that_stands_twice_is_never_plain(written):
    """Null, escaped, or made up for by quotation marks written in another way."""
    assert read_plain(b'{"items":[],%b}' % written) is None
    assert accepted(b'{"items":[],%b}' % written) is None


def test_what_training_jobs_send_is_plain():
    """Every field but the media, nulls and white space: nothing of it takes the long way."""
    item = ITEM | {"id": "1", "group": "g", "task": None, "prompt": "p", "media_type": None}
    request = {"items": [item, ITEM | {"ground_truth": 7}], "run": "r", "step": 3, "spec": None}
    plain = read_plain(json.dumps(request, indent=1).encode())
    assert isinstance(plain, PlainRequest)
    assert plain.items[0] == PlainItem(**item)
    assert (plain.items[1].ground_truth, plain.run, plain.step, plain.spec) == (7, "r", 3, None)
