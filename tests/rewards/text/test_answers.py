"""Tests for `rewards.text.answers`."""

import json
import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rewards.text.answers import (
    Malformed,
    Prompts,
    Tube,
    read_box,
    read_prompts,
    read_span,
    read_tube,
)
from tests.strategies import hostile_answers

READERS = [read_span, read_box, read_tube, read_prompts]


@pytest.mark.parametrize("read", READERS)
@given(answer=hostile_answers)
def test_nothing_a_policy_writes_raises(read, answer):
    """Every text is a typed value or says why it is none, in both readings."""
    for strict in (True, False):
        value = read(answer, strict=strict)
        assert isinstance(value, Malformed | Tube | Prompts | tuple)
        assert not isinstance(value, Malformed) or value.why.startswith("expected a JSON object")


@pytest.mark.parametrize(
    ("text", "lenient", "strict"),
    [
        pytest.param('{"time": [2, 6.5]}', (2.0, 6.5), (2.0, 6.5), id="numbers"),
        pytest.param('{"time": ["2", true]}', (2.0, 1.0), None, id="text-and-boolean"),
        pytest.param('{"time": [1, 2], "time": [3, 4]}', (3.0, 4.0), (3.0, 4.0), id="last-wins"),
        pytest.param('{"time": "12"}', None, None, id="a-string-is-no-list"),
        pytest.param('{"time": [1, 2, 3]}', None, None, id="three"),
        pytest.param('{"time": [null, 2]}', None, None, id="null"),
        pytest.param('{"time": [' + "9" * 400 + ", 1]}", None, None, id="400-digits"),
        pytest.param('{"Time": [1, 2]}', None, None, id="case"),
        pytest.param("[1, 2]", None, None, id="a-list"),
        pytest.param('{"time": [1, 2],}', None, None, id="trailing-comma"),
    ],
)
def test_numbers_are_read_leniently_or_strictly(text, lenient, strict):
    """The lenient reading takes what `float` takes, the strict one JSON numbers only."""
    for expected, value in ((lenient, read_span(text)), (strict, read_span(text, strict=True))):
        if expected is None:
            assert isinstance(value, Malformed)
        else:
            assert value == expected


def test_an_object_is_read_like_its_text():
    """A truth that came as JSON needs no second parsing."""
    assert read_box({"boxes": [1, 2, 3, 4]}) == read_box('{"boxes": [1, 2, 3, 4]}')


def test_the_parts_of_a_tube_are_read_apart():
    """A time of two words is a pair but no span, and a bad frame spoils only itself."""
    tube = read_tube('{"time": ["a", "b"], "boxes": {"1": [0, 0, 1, 1], "2": [0]}}')
    assert tube == Tube(time=None, has_pair=True, boxes={"1": (0, 0, 1, 1), "2": None})


def test_one_bad_point_spoils_its_side_only():
    """Points are read side by side with the rest."""
    prompts = read_prompts('{"positive_points": [[1, 2]], "negative_points": [[1, 2], "x"]}')
    assert prompts == Prompts(None, ((1.0, 2.0),), None, None)


@pytest.mark.parametrize(
    ("time", "lenient", "strict"),
    [("3", 3.0, 3.0), ("true", 1.0, None), ('"3"', None, None), ("9" * 400, math.inf, math.inf)],
)
def test_a_keyframe_is_a_json_number(time, lenient, strict):
    """A string is no time; an integer too large for a float is one that is not finite."""
    text = f'{{"time": {time}}}'
    assert read_prompts(text).keyframe_s == lenient
    assert read_prompts(text, strict=True).keyframe_s == strict


numbers = st.integers() | st.floats() | st.sampled_from(["1e400", "-0", "007", "1.", "NaN", '"1"'])
lists = st.lists(numbers.map(str), max_size=5).map(lambda items: f"[{', '.join(items)}]")
values = lists | st.lists(lists, max_size=3).map(lambda items: f"[{','.join(items)}]")
frames = st.lists(
    st.tuples(st.sampled_from(["1", "2", "a", "\\u0031", "é"]), lists), max_size=3
).map(lambda pairs: "{" + ", ".join(f'"{frame}": {box}' for frame, box in pairs) + "}")
names = st.sampled_from(["time", "boxes", "positive_points", "negative_points", "else"])
objects = st.lists(st.tuples(names, values | frames | numbers.map(str)), max_size=4).map(
    lambda pairs: "{" + ", ".join(f'"{name}": {value}' for name, value in pairs) + "}"
)
spaced = st.builds("{}{}{}".format, st.sampled_from(["", " ", "\n"]), objects, st.just(" "))
near_misses = st.sampled_from(
    [
        '{"time": [1, 2], "time": "x"}',
        '{"boxes": {"1": [0, 0, 1, 1], "1": [2, 2, 3, 3]}}',
        '{"boxes": {"\\ud800": [0, 0, 1, 1]}}',
        '{"boxes": {"1": [0, 0, 1, 1]}, "time": null}',
        '{"boxes": {"1": [0, 0, 1, 1]}, "time": [1, 2], "note": 1}',
        '{"boxes": [1, 2, 3, 4]}\x00',
        '\ufeff{"boxes": [1, 2, 3, 4]}',
        '{"boxes": [9007199254740993, 1e22, 4.9e-324, 123456789012345678901234567890]}',
        '{"boxes": [' + "9" * 400 + ", 2, 3, 4]}",
        '{"boxes": [0,0,1,1], "positive_points": [[1,2]], "negative_points": [], "time": true}',
    ]
)


@pytest.mark.parametrize("read", READERS)
@given(text=spaced | near_misses | hostile_answers)
def test_decoding_by_type_is_reading_part_by_part(read, text):
    """A text means the same whether it is decoded at once or parsed first and then read."""
    try:
        parsed = json.loads(text)
    except (ValueError, RecursionError):
        parsed = text
    for strict in (True, False):
        # Text of a class of its own takes the longer way, and so does what was parsed already.
        longer = read(parsed if isinstance(parsed, dict) else Text(text), strict=strict)
        assert repr(read(text, strict=strict)) == repr(longer)


class Text(str):
    """Text that is not quite a string."""

    __slots__ = ()
