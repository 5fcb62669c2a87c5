"""Tests for `trainer_client.training.job_file` and `config`: every mistake is named."""

import tomllib
from pathlib import Path

import pytest

from tests.house.source import ROOT
from trainer_client.training.config import VideoConfig
from trainer_client.training.errors import BadConfig
from trainer_client.training.job_file import load_config, read_config

JOBS = sorted(
    path for path in (ROOT / "examples").rglob("*.toml") if "run" in tomllib.loads(path.read_text())
)
SMALLEST = """
run = "a"
output = "out"
data = { train = "train.jsonl" }
model = { name = "model" }
"""


def read(more=""):
    """A job that says the least, and `more`."""
    return read_config(tomllib.loads(SMALLEST + more))


def test_the_smallest_job_has_the_values_of_the_paper():
    """Group size 8, a penalty of 0.01, AdamW at 2e-6 with decay 0.01 and norm 1, bf16."""
    job = read()
    assert (job.sampling.group_size, job.sampling.temperature) == (8, 1.0)
    assert (job.sampling.max_new_tokens, job.data.prompts_per_step) == (4096, 128)
    assert job.objective.kl_weight == 0.01
    assert (job.optimiser.learning_rate, job.optimiser.weight_decay) == (2e-6, 0.01)
    assert (job.optimiser.max_grad_norm, job.model.dtype) == (1.0, "bfloat16")
    assert job.service.estimator == "ema_grpo"


def test_tables_lists_and_numbers_become_records():
    """Every type that the records use can be written in TOML."""
    job = read(
        """
        [service]
        keep = [0.01, 0.99]
        [optimiser]
        learning_rate = 1
        betas = [0.9, 0.95]
        """
    )
    assert job.service.keep == (0.01, 0.99)
    assert job.optimiser.learning_rate == 1.0
    assert isinstance(job.optimiser.learning_rate, float)
    assert job.data.train == Path("train.jsonl")


def test_adapters_are_an_optional_table():
    """Without `lora` every weight learns."""
    with_adapters = SMALLEST.replace('name = "model"', 'name = "m", lora = { targets = ["q"] }')
    assert read().model.lora is None
    assert read_config(tomllib.loads(with_adapters)).model.lora.targets == ("q",)


def test_how_videos_are_looked_at_is_an_optional_table():
    """What it does not say is left to the model's own files."""
    clips = SMALLEST.replace('name = "model"', 'name = "m", video = { fps = 1, max_frames = 64 }')
    assert read().model.video == VideoConfig(None, None, None, None)
    assert read_config(tomllib.loads(clips)).model.video == VideoConfig(1.0, max_frames=64)


@pytest.mark.parametrize(
    ("more", "message"),
    [
        ("colour = 1", "colour: unknown key; known: run, output"),
        ("[sampling]\ngroup = 8", "sampling.group: unknown key; known: group_size"),
        ("[sampling]\ngroup_size = 1", "group_size: expected at least 2"),
        ("[sampling]\ngroup_size = 8.0", "sampling.group_size: expected int; got 8.0"),
        ("steps = true", "steps: expected int; got True"),
        ("[objective]\nclip_low = 1.5", "clip_low: expected 0 < clip_low < 1"),
        ("[objective]\naveraging = 'mean'", "averaging: expected one of 'response', 'token'"),
        ("[objective]\nupdates = 999", "updates: expected no more than data.prompts_per_step"),
        ("[service]\nkeep = [0.9, 0.1]", "keep: expected 0 <= low < high <= 1"),
        ("[service]\nkeep = [0.9]", "service.keep: expected 2 values"),
        ("[service]\nkeep = 0.9", "service.keep: expected a list"),
        ("service = 'here'", "service: expected a table; got 'here'"),
        ("evaluate_every = 5", "expected data.evaluation"),
        ("[sampling]\nserver = 'gpu:8000'", "server: expected http://host[:port]; got 'gpu:8000'"),
        ("[sampling]\nserver = 'http://gpu:8000'", "server: expected model.lora"),
    ],
)
def test_a_mistake_is_named_with_what_was_expected(more, message):
    """The key, what came, and what is allowed."""
    with pytest.raises(BadConfig, match=message.replace("(", "\\(").replace("[", "\\[")):
        read(more)


@pytest.mark.parametrize("missing", ["run", "output", "data", "model"])
def test_what_has_no_default_must_be_given(missing):
    """A job without a name, a place, data or a model is refused."""
    values = tomllib.loads(SMALLEST)
    del values[missing]
    with pytest.raises(BadConfig, match=f"{missing}: missing"):
        read_config(values)


def test_a_path_must_be_text():
    """A number is no path."""
    with pytest.raises(BadConfig, match=r"data\.train: expected a path; got 7"):
        read_config({"run": "a", "output": "o", "data": {"train": 7}, "model": {"name": "m"}})


@pytest.mark.parametrize("content", [None, "run = ", "\udcff"])
def test_a_file_that_cannot_be_read_is_named(tmp_path, content):
    """Missing, not TOML, or not UTF-8."""
    path = tmp_path / "job.toml"
    if content is not None:
        path.write_bytes(content.encode(errors="surrogateescape"))
    with pytest.raises(BadConfig, match=r"job\.toml"):
        load_config(path)


@pytest.mark.parametrize("path", JOBS, ids=str)
def test_every_example_can_be_read(path):
    """What users copy is right."""
    assert load_config(path).run
