"""Tests for `rewards.backends.polar_transformers.checkpoint`."""

import json

import pytest

from rewards.backends.polar_transformers.checkpoint import Checkpoint, Shape
from rewards.errors import BadModel
from tests.polar_checkpoints import RandomPolar

POLAR_7B = {
    "architectures": ["InternLM2ForRewardModel"],
    "model_type": "internlm2",
    "hidden_act": "silu",
    "hidden_size": 4096,
    "intermediate_size": 14336,
    "num_hidden_layers": 32,
    "num_attention_heads": 32,
    "num_key_value_heads": 8,
    "vocab_size": 92544,
    "max_position_embeddings": 32768,
    "rope_theta": 1000000,
    "rope_scaling": {"type": "dynamic", "factor": 2.0},
    "rms_norm_eps": 1e-05,
    "reward_token_id": 92527,
}
POLAR_1_8B = POLAR_7B | {
    "hidden_size": 2048,
    "intermediate_size": 8192,
    "num_hidden_layers": 24,
    "num_attention_heads": 16,
    "rope_scaling": None,
}


@pytest.mark.parametrize("config", [POLAR_7B, POLAR_1_8B], ids=["7b", "1.8b"])
def test_both_published_layouts_are_read(config):
    """Heads of 128 numbers, in groups that share keys and values."""
    shape = Shape.read(config)
    assert shape.head_size == 128
    assert shape.heads // shape.kv_heads == config["num_attention_heads"] // 8
    assert shape.reward_token == 92527


@pytest.mark.parametrize(
    ("change", "why"),
    [
        ({"model_type": "llama"}, "expected model_type 'internlm2', got 'llama'"),
        ({"architectures": ["InternLM2ForCausalLM"]}, "expected InternLM2ForRewardModel"),
        ({"architectures": None}, "expected InternLM2ForRewardModel"),
        ({"hidden_act": "gelu"}, "expected hidden_act 'silu'"),
        ({"reward_token_id": None}, "positive number for reward_token_id, got None"),
        ({"reward_token_id": True}, "positive number for reward_token_id, got True"),
        ({"reward_token_id": 92544}, "outside the vocabulary of 92544"),
        ({"num_key_value_heads": 5}, "do not divide"),
        ({"num_hidden_layers": "32"}, "positive number for num_hidden_layers, got '32'"),
        ({"rms_norm_eps": float("nan")}, "positive number for rms_norm_eps"),
        ({"rope_scaling": {"type": "linear", "factor": 2.0}}, "expected no rope_scaling"),
        ({"rope_scaling": "dynamic"}, "expected no rope_scaling"),
        ({"quantization_config": {"bits": 4}}, "quantised weights are not read"),
        ({"max_position_embeddings": 32}, "at least 64 max_position_embeddings"),
    ],
)
def test_another_model_is_refused_in_one_line(change, why):
    """What is not POLAR is named before anything is loaded."""
    with pytest.raises(BadModel) as refusal:
        Shape.read(POLAR_7B | change)
    assert why in str(refusal.value)
    assert "\n" not in str(refusal.value)


@pytest.fixture
def folder(tmp_path):
    """A whole checkpoint in two files."""
    return RandomPolar(layers=1).write(tmp_path / "polar")


def test_the_index_names_the_files(folder):
    """Only what the index names is read."""
    (folder / "stray.safetensors").write_bytes(b"")
    assert [file.name for file in Checkpoint.read(folder).weights] == [
        "model-00001-of-00002.safetensors",
        "model-00002-of-00002.safetensors",
    ]


@pytest.mark.parametrize("name", ["../away.safetensors", "pytorch_model.bin", "gone.safetensors"])
def test_an_index_that_points_elsewhere_is_refused(folder, name):
    """Nothing outside the folder, nothing pickled, nothing missing."""
    (folder.parent / "away.safetensors").write_bytes(b"")
    (folder / "pytorch_model.bin").write_bytes(b"")
    (folder / "model.safetensors.index.json").write_text(json.dumps({"weight_map": {"a": name}}))
    with pytest.raises(BadModel, match="files beside it"):
        Checkpoint.read(folder)


def test_without_an_index_all_files_are_read(folder):
    """A small checkpoint has one file and no index."""
    (folder / "model.safetensors.index.json").unlink()
    assert len(Checkpoint.read(folder).weights) == 2


def test_pickled_weights_are_not_read(folder):
    """A folder with nothing but pickles says what is expected."""
    for file in folder.glob("*.safetensors*"):
        file.unlink()
    (folder / "pytorch_model.bin").write_bytes(b"")
    with pytest.raises(BadModel, match=r"expected \*\.safetensors; no other kind"):
        Checkpoint.read(folder)


@pytest.mark.parametrize(
    ("content", "why"),
    [("{", "expected JSON"), ("[]", "expected a JSON object, got list"), (None, "No such file")],
    ids=["broken", "list", "missing"],
)
def test_an_unreadable_config_is_named(folder, content, why):
    """The line says which file and what is wrong with it."""
    (folder / "config.json").unlink()
    if content is not None:
        (folder / "config.json").write_text(content)
    with pytest.raises(BadModel, match=rf"config\.json: {why}"):
        Checkpoint.read(folder)


def test_a_missing_folder_is_named(tmp_path):
    """A mistyped path is not taken for anything else."""
    with pytest.raises(BadModel, match="no such folder"):
        Checkpoint.read(tmp_path / "polar")
