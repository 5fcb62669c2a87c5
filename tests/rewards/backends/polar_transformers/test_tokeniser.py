"""Tests for `rewards.backends.polar_transformers.tokeniser`."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st
from sentencepiece import SentencePieceProcessor
from tokenizers import Tokenizer

from rewards.backends.polar_transformers.tokeniser import PolarTokeniser
from rewards.errors import BadModel
from tests.polar_checkpoints import SEPARATOR_ID, write_fast, write_pieces

MARKS = ["<|reward|>", "[UNUSED_TOKEN_130]", "<s>", "</s>", "<unk>"]
WRITERS = {"pieces": write_pieces, "fast": write_fast}

hostile = st.lists(
    st.text(st.characters(exclude_categories=()), max_size=6) | st.sampled_from(MARKS), max_size=6
).map("".join)


@pytest.fixture(scope="module", params=list(WRITERS))
def folder(request, tmp_path_factory):
    """A folder with one of the two tokenizer files."""
    path = tmp_path_factory.mktemp(request.param)
    WRITERS[request.param](path)
    return path


@pytest.fixture(scope="module")
def tokeniser(folder):
    """The tokeniser read from it."""
    return PolarTokeniser.read(folder, positions=512)


def test_the_layout_is_the_published_text_tokenised_whole(tmp_path):
    """Sentencepiece over each stretch between the marks, as POLAR's own tokenizer does it."""
    write_pieces(tmp_path)
    pieces = SentencePieceProcessor(model_file=str(tmp_path / "tokenizer.model"))
    passage = PolarTokeniser.read(tmp_path).read_parts("two plus two", "four", "it is four")
    known, judged = (pieces.encode(f"two plus two\n{end}") for end in ("four", "it is four"))
    assert list(passage.tokens) == [1, *known, SEPARATOR_ID, *judged, 3]
    assert passage.known == 1 + len(known) + 1


def test_the_layout_is_what_the_library_makes_of_the_whole_text(tmp_path):
    """A fast tokenizer that reads the marks gives the same tokens for the joined text."""
    write_fast(tmp_path)
    text = "two plus two\nfour<|reward|>two plus two\nit is four[UNUSED_TOKEN_130]"
    expected = Tokenizer.from_file(str(tmp_path / "tokenizer.json")).encode(text).ids
    passage = PolarTokeniser.read(tmp_path).read_parts("two plus two", "four", "it is four")
    assert list(passage.tokens) == expected


@given(parts=st.tuples(hostile, hostile, hostile))
def test_marks_in_the_text_stay_text(tokeniser, parts):
    """Whatever is written, the separator and the reward token occur once, and no other mark."""
    specials = set(tokeniser.vocabulary.specials.values())
    passage = tokeniser.read_parts(*parts)
    found = [token for token in passage.tokens if token in specials]
    assert found == [*tokeniser.vocabulary.leading, tokeniser.separator, tokeniser.reward_token]
    assert passage.tokens[-1] == tokeniser.reward_token
    assert passage.tokens[passage.known - 1] == tokeniser.separator


@given(text=st.text(max_size=30))
def test_text_comes_back_from_its_tokens(tokeniser, text):
    """Nothing of the text is lost on the way to tokens, marks included."""
    assert (
        tokeniser.decode(tokeniser.encode(text + "<|reward|>"))
        == text.replace("\u2581", " " if (tokeniser.separator == SEPARATOR_ID) else "\u2581")
        + "<|reward|>"
    )


def test_a_long_trajectory_is_cut_from_the_right(tokeniser):
    """At 512 positions a trajectory has 128 tokens, the leading one among them."""
    passage = tokeniser.read_parts("p", "r", "z" * 1000)
    judged = passage.tokens[passage.known : -1]
    assert list(judged) == tokeniser.encode("p\n" + "z" * 127)


def test_a_long_prompt_keeps_its_end(tokeniser):
    """Both halves of the input hold the same end of the prompt."""
    prompt = "x " * 1000 + "end of it?"
    passage = tokeniser.read_parts(prompt, "r", "o")
    known = tokeniser.decode(passage.tokens[1 : passage.known - 1])
    judged = tokeniser.decode(passage.tokens[passage.known : -1])
    assert known.endswith("end of it?\nr")
    assert judged.endswith("end of it?\no")
    assert known[:-1] == judged[:-1]
    assert len(passage.tokens) <= 512


def test_a_model_with_a_dummy_prefix_is_read_too(tmp_path):
    """Sentencepiece models of either kind put the same marks at the same places."""
    write_pieces(tmp_path, dummy_prefix=True)
    tokeniser = PolarTokeniser.read(tmp_path)
    passage = tokeniser.read_parts("two", "four", "five")
    assert [t for t in passage.tokens if t in (1, SEPARATOR_ID, 3)] == [1, SEPARATOR_ID, 3]


def test_without_a_leading_token_none_is_put(tmp_path):
    """`add_bos_token` of the config decides."""
    write_pieces(tmp_path)
    config = json.loads((tmp_path / "tokenizer_config.json").read_text())
    (tmp_path / "tokenizer_config.json").write_text(json.dumps(config | {"add_bos_token": False}))
    tokeniser = PolarTokeniser.read(tmp_path)
    assert tokeniser.limits.leading == 0
    assert tokeniser.read_parts("a", "b", "c").tokens[0] != 1


def test_a_folder_without_a_tokenizer_is_refused(tmp_path):
    """There is nothing to guess from."""
    with pytest.raises(BadModel, match=r"expected tokenizer\.model or tokenizer\.json"):
        PolarTokeniser.read(tmp_path)


def test_a_tokenizer_without_the_separator_is_refused(tmp_path):
    """A chat model's tokenizer lacks the mark between the halves."""
    write_pieces(tmp_path)
    (tmp_path / "tokenizer_config.json").unlink()
    with pytest.raises(BadModel, match=r"got ids \[None, 3\]"):
        PolarTokeniser.read(tmp_path)


def test_two_tokenizers_that_disagree_are_refused(tmp_path):
    """A folder with both files must mean one thing."""
    write_pieces(tmp_path)
    write_fast(tmp_path)
    with pytest.raises(BadModel, match="disagree about"):
        PolarTokeniser.read(tmp_path)


def test_a_tokenizer_that_ends_the_text_itself_is_refused(tmp_path):
    """With a token after the reward token, the score would be read in the wrong place."""
    write_fast(tmp_path)
    content = json.loads((tmp_path / "tokenizer.json").read_text())
    template = content["post_processor"]
    template["single"].append({"SpecialToken": {"id": "</s>", "type_id": 0}})
    template["special_tokens"]["</s>"] = {"id": "</s>", "ids": [2], "tokens": ["</s>"]}
    (tmp_path / "tokenizer.json").write_text(json.dumps(content))
    with pytest.raises(BadModel, match="puts tokens after the text"):
        PolarTokeniser.read(tmp_path)


@pytest.mark.parametrize("name", ["tokenizer.model", "tokenizer.json"])
def test_a_broken_file_is_named(tmp_path, name):
    """A truncated download is one clear line."""
    (tmp_path / name).write_bytes(b"{ not a tokenizer")
    with pytest.raises(BadModel, match=name):
        PolarTokeniser.read(tmp_path)


def test_a_tokenizer_that_loses_text_is_refused(tmp_path):
    """A lower-casing tokenizer does not give back what was written."""
    write_fast(tmp_path)
    content = json.loads((tmp_path / "tokenizer.json").read_text())
    content["normalizer"] = {"type": "Lowercase"}
    (tmp_path / "tokenizer.json").write_text(json.dumps(content))
    with pytest.raises(BadModel, match="does not give back the text"):
        PolarTokeniser.read(tmp_path)
