"""Tests for `rewards.backends.polar_http.dialects` and `addresses`."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rewards.backends.polar_http.addresses import Addresses
from rewards.backends.polar_http.dialects import DIALECTS, BadReply
from rewards.errors import BadModel, ModelFailed
from tests.model_servers import SPEECHES

HUGE = "1" * 400
JUNK = st.recursive(
    st.none() | st.booleans() | st.floats() | st.integers() | st.text(max_size=3),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(st.sampled_from(["data", "index", "embedding"]), inner, max_size=3)
    ),
    max_leaves=8,
)


@pytest.mark.parametrize(
    ("name", "body", "reply"),
    [
        (
            "vllm",
            {"input": ["a", "b"], "use_activation": False},
            {"data": [{"data": [[9.0], [-0.5]]}, {"data": [[8.0], [-11.0]]}]},
        ),
        (
            "sglang",
            {"model": "POLAR-7B", "text": ["a", "b"]},
            [{"embedding": [-0.5]}, {"embedding": [-11.0]}],
        ),
        ("lmdeploy", {"input": ["a", "b"]}, {"data": [{"data": -0.5}, {"data": -11}]}),
    ],
)
def test_each_dialect_is_spoken_as_published(name, body, reply):
    """The body a server expects, and the scores out of the reply it gives."""
    dialect = DIALECTS[name]
    assert json.loads(dialect.write(["a", "b"], "POLAR-7B")) == body
    assert dialect.read(json.dumps(reply).encode(), 2) == [-0.5, -11.0]


def test_a_reply_pooled_to_the_last_token_is_read_too():
    """One number in a list by itself leaves no doubt; several do."""
    read = DIALECTS["vllm"].read
    assert read(b'{"data": [{"data": [-0.5]}]}', 1) == [-0.5]
    assert isinstance(read(b'{"data": [{"data": [0.5, -0.5]}]}', 1)[0], ModelFailed)


@pytest.mark.parametrize("name", ["vllm", "lmdeploy"])
def test_entries_go_where_their_index_says(name):
    """A server may answer out of order, but nobody gets another's score."""
    reply = SPEECHES[name].reply([-1.0, -2.0, -3.0])
    reply["data"].reverse()
    assert DIALECTS[name].read(json.dumps(reply).encode(), 3) == [-1.0, -2.0, -3.0]


@pytest.mark.parametrize("indices", [[0, 0], [0, 2], [1, None], [-1, 0], ["0", "1"], [0.0, 1.0]])
def test_entries_whose_place_is_in_doubt_are_no_scores(indices):
    """Twice the same index, one missing, one that is no index: nothing is guessed."""
    entries = [{"index": index, "data": -1.0} for index in indices]
    with pytest.raises(BadReply, match="one entry for each text"):
        DIALECTS["lmdeploy"].read(json.dumps({"data": entries}).encode(), 2)


@pytest.mark.parametrize("name", list(DIALECTS))
@pytest.mark.parametrize("count", [0, 1, 3])
def test_a_reply_of_another_length_is_refused(name, count):
    """Two texts have two scores."""
    reply = json.dumps(SPEECHES[name].reply([-1.0] * count)).encode()
    with pytest.raises(BadReply, match=f"expected 2 scores, got {count}"):
        DIALECTS[name].read(reply, 2)


@pytest.mark.parametrize("name", list(DIALECTS))
@pytest.mark.parametrize(
    "number", ["NaN", "Infinity", "1e999", "null", "true", '"1"', "[]", "1" * 400]
)
def test_what_is_no_finite_number_fails_alone(name, number):
    """Its neighbour keeps its score."""
    reply = json.dumps(SPEECHES[name].reply(["X", -2.0])).replace('"X"', number)
    bad, good = DIALECTS[name].read(reply.encode(), 2)
    assert isinstance(bad, ModelFailed)
    assert good == -2.0


@pytest.mark.parametrize("name", list(DIALECTS))
@given(reply=JUNK, count=st.integers(1, 3))
def test_any_reply_is_scores_or_failures_or_refused(name, reply, count):
    """Nothing a server says is a crash, or a number where it gave none."""
    try:
        answers = DIALECTS[name].read(json.dumps(reply).encode(), count)
    except BadReply:
        return
    assert len(answers) == count


@pytest.mark.parametrize("reply", [b"", b"<html>", b"{}", b"[" * 100_000, b'{"data": 3}', b"\xff"])
def test_what_is_no_reply_is_refused(reply):
    """A proxy's error page is not a list of scores."""
    with pytest.raises(BadReply):
        DIALECTS["vllm"].read(reply, 1)


def test_one_address_line_names_servers_and_model():
    """Several servers, a dialect, and a model that is not the default."""
    found = Addresses.read("https+vllm://a:8000, [::1]:8001/POLAR-1_8B")
    assert found.bases == ("https://a:8000", "https://[::1]:8001")
    assert (found.dialect.name, found.model) == ("vllm", "POLAR-1_8B")
    assert Addresses.read("http+lmdeploy://a").model == "POLAR-7B"


@pytest.mark.parametrize(
    "text",
    ["http://a", "http+tgi://a", "ftp+vllm://a", "vllm://a", "http+vllm:a", ""],
)
def test_an_unknown_dialect_is_refused_with_those_there_are(text):
    """The line lists what an address may begin with."""
    with pytest.raises(BadModel, match=r"http\+vllm://, http\+sglang://, http\+lmdeploy://"):
        Addresses.read(text)


@pytest.mark.parametrize(
    "hosts",
    ["", "a,,b", "a:b", "a:99999", "a:0", "user@a:1", ":a-secret@a:1", "a?b=c", "a#b", ":80"],
)
def test_what_is_no_host_and_port_is_refused(hosts):
    """An address that could not be called is found at the start."""
    with pytest.raises(BadModel, match="expected host:port") as refused:
        Addresses.read(f"http+vllm://{hosts}")
    assert "secret" not in str(refused.value)


def test_an_address_given_twice_is_refused():
    """Two breakers for one server would each see half of its failures."""
    with pytest.raises(BadModel, match="every address once"):
        Addresses.read("http+vllm://a:1,a:1")
