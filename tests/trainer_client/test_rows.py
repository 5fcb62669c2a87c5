"""Tests for `trainer_client.rows`."""

import copy
import json
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from trainer_client.errors import BadCall
from trainer_client.rows import read_item, response_of, rows_of, task_of, text_of
from trainer_client.wire.items import Item

ONETHINKER = {
    "problem": "Where is the dog?",
    "problem_type": "spatial grounding",
    "data_type": "image",
    "solution": '<answer>{"boxes": [1, 2, 3, 4]}</answer>',
    "problem_id": 17,
}


def test_onethinkers_columns_are_read_as_they_are():
    """A row of the released data needs no renaming."""
    assert read_item(ONETHINKER, "…") == Item(
        kind="spatial grounding",
        response="…",
        ground_truth='<answer>{"boxes": [1, 2, 3, 4]}</answer>',
        media_type="image",
        prompt="Where is the dog?",
        group="17",
    )


def test_our_own_names_come_first():
    """A row that has both says what it means by ours."""
    row = ONETHINKER | {"kind": "tracking", "ground_truth": {"boxes": {}}, "task": "dogs"}
    item = read_item(row, "…")
    assert (item.kind, item.ground_truth, item.task) == ("tracking", {"boxes": {}}, "dogs")


@pytest.mark.parametrize("write", [json.dumps, dict], ids=["text", "object"])
def test_one_column_can_carry_the_whole_item(write):
    """A framework that passes on only the ground truth passes on all that is in it."""
    carried = {
        "kind": "mask",
        "ground_truth": {"size": [2, 2]},
        "group": "g",
        "media_type": "video",
    }
    carried["media"] = {"video": {"sha256": "0" * 64}}
    item = read_item({"label": write(carried)}, "…", kind="math")
    assert (item.kind, item.ground_truth, item.group) == ("mask", {"size": [2, 2]}, "g")
    assert item.media["video"].sha256 == "0" * 64


@pytest.mark.parametrize(
    "truth", ['{"time": [1, 2]}', "{not json", "[" * 100_000, 7, {"time": [1, 2]}]
)
def test_a_ground_truth_that_carries_nothing_is_a_ground_truth(truth):
    """Only an object with a `ground_truth` of its own is opened."""
    assert read_item({"kind": "k", "ground_truth": truth}, "").ground_truth == truth


@pytest.mark.parametrize(
    ("row", "message"),
    [
        pytest.param({"ground_truth": "4"}, "kind or problem_type", id="no-kind"),
        pytest.param({"kind": "math"}, "ground_truth or solution", id="no-truth"),
    ],
)
def test_a_missing_column_is_named(row, message):
    """That is a mistake in the set-up, and the user hears which column was looked for."""
    with pytest.raises(BadCall, match=message):
        read_item(row, "…")


@pytest.mark.parametrize(
    ("truth", "message"),
    [
        pytest.param({"ground_truth": "4", "colour": 1}, "colour", id="odd-field"),
        pytest.param(float("nan"), "ground truth", id="nan"),
        pytest.param({"ground_truth": "4", "media": {"image": {}}}, "media", id="odd-media"),
    ],
)
def test_a_row_that_cannot_be_sent_goes_without_a_truth(truth, message, caplog):
    """What stands in a column is data: it costs its own rollout, and the log says why."""
    item = read_item({"kind": "math", "answer": truth}, "…")
    assert (item.kind, item.ground_truth, item.media) == ("math", None, None)
    assert message in caplog.text


def test_a_row_without_a_truth_or_a_kind_is_sent_as_it_is():
    """The service leaves it unscored and says what is missing."""
    item = read_item({"kind": None, "solution": None}, "…")
    assert (item.kind, item.ground_truth) == ("", None)
    assert read_item({"answer": {"ground_truth": "4"}}, "…").kind == ""


def test_rollouts_of_one_prompt_are_one_group():
    """Without an id the prompt and its truth are the id; without a prompt there is no group."""
    row = {"kind": "math", "ground_truth": "4", "prompt": "2+2?"}
    one, same = read_item(row, "a"), read_item(row, "b")
    other = read_item(row | {"prompt": "3+1?"}, "a")
    assert one.group == same.group != other.group
    assert read_item({"kind": "math", "ground_truth": "4"}, "a").group is None


class Reader:
    """Something of which only the address tells it from another."""


@pytest.mark.parametrize(
    ("column", "one", "other"),
    [
        pytest.param("image", Image.new("RGB", (2, 2)), Image.new("RGB", (2, 2), "red"), id="pil"),
        pytest.param("images", ["a.png", "b.png"], ["a.png", "c.png"], id="paths"),
        pytest.param("images", [{"bytes": b"a"}], [{"bytes": b"b"}], id="encoded"),
        pytest.param("video", Path("a.mp4"), Path("b.mp4"), id="video"),
        pytest.param("videos", [["a", "b"]], [["a", "c"]], id="frames"),
        pytest.param("media", {"image": b"a"}, {"image": b"b"}, id="media"),
    ],
)
def test_one_question_about_two_pictures_is_two_groups(column, one, other):
    """The mean of both would be the mean of neither; copies of one picture are one group."""
    row = {"kind": "math", "ground_truth": "4", "prompt": "How many?"}
    groups = [read_item(row | {column: copy.deepcopy(shown)}, "") for shown in (one, one, other)]
    first, same, different = (item.group for item in groups)
    assert first == same != different


def test_what_cannot_be_compared_parts_no_group():
    """Two readers of one film must not become two prompts."""
    row = {"kind": "math", "ground_truth": "4", "prompt": "How many?"}
    groups = {read_item(row | {"video": Reader()}, "").group for _ in range(3)}
    assert groups == {read_item(row, "").group}


@pytest.mark.parametrize("data_type", ["text", None, 3])
def test_only_images_and_videos_are_media_types(data_type):
    """The released data calls plain questions `text`."""
    assert read_item(ONETHINKER | {"data_type": data_type}, "").media_type is None


@pytest.mark.parametrize(
    ("item", "task"),
    [
        pytest.param(Item("math", "", "", task="hard-math"), "hard-math", id="named"),
        pytest.param(
            Item("Spatial-Temporal Grounding", "", ""), "spatial_temporal_grounding", id="kind"
        ),
        pytest.param(
            Item("segmentation", "", "", media_type="video"), "segmentation/video", id="video"
        ),
        pytest.param(Item("segmentation", "", ""), "segmentation/image", id="image"),
    ],
)
def test_the_task_is_what_the_service_would_call_it(item, task):
    """Rewards and advantages speak of the same task."""
    assert task_of(item) == task


def test_what_the_policy_said_last_is_its_response():
    """A tool's words are not the policy's."""
    said = [{"role": "assistant", "content": "let me see"}, {"role": "tool", "content": "5"}]
    assert response_of(said) == "let me see"
    assert response_of([*said, {"role": "assistant", "content": "5"}]) == "5"
    assert response_of([{"role": "tool", "content": "5"}]) == ""
    assert response_of("plain") == "plain"


@given(
    st.recursive(
        st.text() | st.none(),
        lambda inner: (
            st.lists(inner) | st.dictionaries(st.sampled_from(["content", "text"]), inner)
        ),
    )
)
def test_any_message_has_a_text(content):
    """Whatever shape a prompt has, it can be sent."""
    assert isinstance(text_of(content), str)


def test_columns_that_are_none_are_left_out():
    """Scalars, and lists of another length, do not belong to the rollouts."""
    columns = {"kind": ["a", "b"], "short": ["x"], "name": "ab", "state": None}
    assert rows_of(columns, 2) == [{"kind": "a"}, {"kind": "b"}]
