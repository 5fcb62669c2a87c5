"""What the world, and a hostile policy, may send us."""

import json

from hypothesis import strategies as st

seconds = st.floats(min_value=0.0, max_value=1e6)
grid = st.floats(min_value=0.0, max_value=1000.0)

spans = st.tuples(seconds, seconds).map(lambda span: tuple(sorted(span)))
boxes = st.tuples(grid, grid, grid, grid).map(
    lambda box: (min(box[0], box[2]), min(box[1], box[3]), max(box[0], box[2]), max(box[1], box[3]))
)
points = st.tuples(grid, grid)
words = st.lists(st.sampled_from(["the", "a", "cat", "sat", "mat", "ran"]), max_size=12)

json_values = st.recursive(
    st.none() | st.booleans() | st.floats() | st.integers() | st.text(max_size=8),
    lambda inner: (
        st.lists(inner, max_size=4)
        | st.dictionaries(
            st.sampled_from(("time", "boxes", "positive_points", "negative_points", "1", "2")),
            inner,
            max_size=4,
        )
    ),
    max_leaves=12,
)


class Shown(str):
    """A text too long to print, which a failing test shows by its beginning and length."""

    __slots__ = ()

    def __repr__(self):
        """The first characters and how many there are."""
        return (
            f"{str(self[:30])!r}… ({len(self)} characters)"
            if len(self) > 60
            else super().__repr__()
        )


HUGE_POINTS = (
    '{"boxes": [0,0,1,1], "positive_points": [[1e308,0],[0,-1e308],[0,0]], '
    '"negative_points": [[0,0],[0,0],[0,0]], "time": 1e308}'
)

HOSTILE = (
    "",
    "[" * 100_000,
    '{"boxes":' * 20_000,
    "9" * 400,
    "1e999",
    "-Infinity",
    "NaN",
    "null",
    "{}",
    '{"time": "12"}',
    '{"time": []}',
    '{"time": [1e999, NaN]}',
    '{"time": [' + "9" * 400 + ", 1]}",
    '{"time": [' + "9" * 5000 + ", 1]}",
    '{"boxes": {}}',
    '{"boxes": []}',
    '{"boxes": ["1", "2", true, null]}',
    '{"boxes": {"1": [1e308, -1e308, 1e308, 1e308]}, "time": [-1e308, 1e308]}',
    HUGE_POINTS,
    '{"boxes": [0,0,1,1], "positive_points": [], "negative_points": [], "time": true}',
    "\ud800",
    "\x00",
    "word " * 40_000,
    "a" * 200_000,
    "\ufeff{}",
)

hostile_answers = st.text() | json_values.map(json.dumps) | st.sampled_from(HOSTILE).map(Shown)
