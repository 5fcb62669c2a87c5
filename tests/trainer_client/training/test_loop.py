"""Tests for `trainer_client.training.loop`, against a real service."""

import json
import subprocess
import sys
from dataclasses import replace

import pytest
import torch
import urllib3
from safetensors.torch import load_file
from transformers import AutoModelForCausalLM, AutoTokenizer

from tests.e2e.running import running
from tests.house.source import ROOT
from trainer_client.client import RewardClient
from trainer_client.config import ClientConfig
from trainer_client.errors import RewardRefused, RewardUnavailable, StepRefused
from trainer_client.training.checkpoints import WEIGHTS, list_checkpoints
from trainer_client.training.config import LoraConfig, ObjectiveConfig, ServiceConfig
from trainer_client.training.data import read_questions
from trainer_client.training.errors import BadCheckpoint, BadQuestion
from trainer_client.training.journal import EVALUATIONS, STEPS, read_journal
from trainer_client.training.loop import CHECKPOINTS, begin, open_job, take_step, train


def trained_weights(folder):
    """The weights of the newest checkpoint of a run's folder."""
    return load_file(list_checkpoints(folder / CHECKPOINTS)[-1] / WEIGHTS)


def without_times(record):
    """A record's numbers, but not how long they took."""
    return {name: value for name, value in record.items() if name != "seconds"}


def test_a_run_leaves_a_journal_checkpoints_and_a_model(job, client):
    """Every step is on record, the last is saved, and the model loads as any other."""
    seen = []
    folder = train(job, client, watch=seen.append)
    steps = read_journal(job.output / STEPS)
    assert [record["step"] for record in steps] == [1, 2, 3, 4] == [r.step for r in seen]
    assert [path.name for path in list_checkpoints(job.output / CHECKPOINTS)] == ["step-000004"]
    model = AutoModelForCausalLM.from_pretrained(folder)
    expected = trained_weights(job.output)["model.norm.weight"]
    assert torch.equal(model.model.norm.weight, expected)
    assert AutoTokenizer.from_pretrained(folder)("AB").input_ids == [32, 33]


def test_a_steps_record_holds_what_the_service_said(job, client):
    """Per task: rewards and their parts, sigma, the kept share; the run has moved as far."""
    train(replace(job, steps=2), client)
    last = read_journal(job.output / STEPS)[-1]
    known = client.run(job.run)
    assert known["step"] == 2
    for name, task in last["tasks"].items():
        assert task["std"] == known["tasks"][name]["std"]
        assert task["rollouts"] == task["scored"] == 3
        assert (task["kept"], task["length"] > 0) == (1.0, True)
        assert None not in (task["reward"], task["accuracy"], task["format"], task["structure"])
    assert last["unscored"] == 0
    assert last["update"]["grad_norm"] > 0


@pytest.mark.parametrize("lora", [None, LoraConfig(rank=2, dropout=0.2)], ids=["full", "lora"])
def test_a_resumed_job_takes_the_same_next_steps_bit_for_bit(job, client, lora, tmp_path):
    """Stopped after two steps of four and resumed, it ends where it would have ended."""
    job = replace(
        job, model=replace(job.model, lora=lora), objective=ObjectiveConfig(epochs=2, micro_batch=4)
    )
    through = replace(job, run=f"{job.run}-through", output=tmp_path / "through")
    train(through, client)
    train(replace(job, steps=2), client)
    train(job, client, resume=True)
    one, two = trained_weights(through.output), trained_weights(job.output)
    assert one.keys() == two.keys()
    assert all(torch.equal(one[name], two[name]) for name in one)
    one, two = (
        [without_times(record) for record in read_journal(each.output / STEPS)]
        for each in (through, job)
    )
    assert one == two


def test_resuming_takes_the_service_back_to_the_checkpoint(job, client):
    """Steps that came after the newest checkpoint are taken again, with sigma as it was then."""
    train(replace(job, steps=2), client)
    ahead = open_job(job, client)
    assert begin(ahead, resume=True) == 2
    lost = take_step(ahead, 3, read_questions(job.data.train))
    train(job, client, resume=True)
    again = read_journal(job.output / STEPS)[2]
    assert again["tasks"] == json.loads(json.dumps({k: _dict(v) for k, v in lost.tasks.items()}))
    assert client.run(job.run)["step"] == 4


def _dict(record):
    return {name: getattr(record, name) for name in record.__slots__}


def test_a_job_that_never_saved_resumes_from_the_start(job, client):
    """With no checkpoint yet, the run is put back to before its first step."""
    interrupted = open_job(job, client)
    take_step(interrupted, 1, read_questions(job.data.train))
    train(job, client, resume=True)
    assert client.run(job.run)["step"] == 4


def test_a_folder_that_holds_a_run_is_not_written_over(job, client):
    """Starting afresh needs a name and a folder of its own."""
    train(replace(job, steps=1), client)
    with pytest.raises(BadCheckpoint, match="resume it, or name another"):
        train(job, client)


def test_a_run_that_the_service_knows_otherwise_is_refused(job, client, tmp_path):
    """Another job under the same name cannot move its sigma."""
    train(replace(job, steps=2), client)
    with pytest.raises(StepRefused):
        train(replace(job, output=tmp_path / "other", seed=5), client)


def test_an_image_that_is_not_there_stops_the_job_at_its_start(job, client):
    """The file, the line and the path are named before a model is loaded or a step taken."""
    line = {"prompt": "?", "kind": "ocr", "ground_truth": "x", "images": ["gone.png"]}
    job.data.train.write_text(f"{json.dumps(line)}\n")
    nothing = replace(job, model=replace(job.model, name="no-such-model"))
    with pytest.raises(BadQuestion, match=r"train\.jsonl: line 1: no such file: .*/gone\.png"):
        train(nothing, client)


def test_without_the_service_there_is_no_step(job):
    """No reward is made up; the policy stays as it was."""
    nobody = ClientConfig(url="http://127.0.0.1:9", budget_s=0.2, first_pause_s=0.01)
    with pytest.raises(RewardUnavailable), RewardClient(nobody) as client:
        train(job, client)
    assert read_journal(job.output / STEPS) == []


def test_filtered_groups_teach_nothing(job, client):
    """With the filter on, groups that are all wrong neither move sigma nor the policy."""
    job = replace(job, steps=1, service=ServiceConfig(keep=(0.01, 0.99)))
    before = dict(open_job(job, client).learner.policy.trainable)
    train(job, client)
    (record,) = read_journal(job.output / STEPS)
    assert record["kept"] == 0
    assert all(task["std"] is None for task in record["tasks"].values())
    after = trained_weights(job.output)
    assert all(torch.equal(before[name], after[name]) for name in after)


def test_an_unreadable_truth_leaves_its_rollouts_out(job, client):
    """What could not be scored is counted and takes no part."""
    lines = [
        {"prompt": "When?", "kind": "temporal_grounding", "ground_truth": "no span"},
        {"prompt": "What?", "kind": "ocr", "ground_truth": "x y"},
    ]
    job.data.train.write_text("\n".join(map(json.dumps, lines)))
    train(replace(job, steps=1, data=replace(job.data, shuffle=False)), client)
    (record,) = read_journal(job.output / STEPS)
    assert record["unscored"] == 3
    assert record["tasks"]["temporal_grounding"]["scored"] == 0
    assert record["tasks"]["temporal_grounding"]["reward"] is None
    assert record["tasks"]["ocr"]["scored"] == 3


def test_evaluations_come_when_due_and_move_nothing(job, client):
    """Every second step the held-out questions are answered, once each, without dice."""
    held_out = job.data.train.with_name("held_out.jsonl")
    held_out.write_text(job.data.train.read_text())
    job = replace(job, evaluate_every=2, data=replace(job.data, evaluation=held_out))
    train(job, client)
    evaluations = read_journal(job.output / EVALUATIONS)
    assert [record["step"] for record in evaluations] == [2, 4]
    assert sum(task["rollouts"] for task in evaluations[0]["tasks"].values()) == 3
    quiet = replace(job, run=f"{job.run}-quiet", output=job.output / "quiet", evaluate_every=0)
    train(quiet, client)
    one, two = trained_weights(job.output), trained_weights(quiet.output)
    assert all(torch.equal(one[name], two[name]) for name in one)


@pytest.fixture(scope="module")
def polar_url():
    """A real service whose open-ended answers a model server judges."""
    command = [sys.executable, "-m", "tests.model_servers", "vllm"]
    with subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, text=True) as model:
        try:
            address = model.stdout.readline().strip()
            with running("--polar", f"http+vllm://{address}/POLAR-7B") as service:
                yield service.url
        finally:
            model.kill()


def test_a_place_within_a_group_of_one_is_no_accuracy(job, polar_url):
    """Evaluations of what a model scored tell its raw score; training steps tell both."""
    lines = [
        {"prompt": "Why?", "kind": "open_ended", "ground_truth": "Because."},
        {"prompt": "What?", "kind": "ocr", "ground_truth": "x y"},
    ]
    job.data.train.write_text("\n".join(map(json.dumps, lines)))
    data = replace(job.data, evaluation=job.data.train)
    with RewardClient(polar_url) as client:
        train(replace(job, steps=1, evaluate_every=1, data=data), client)
    (step,) = read_journal(job.output / STEPS)
    (evaluation,) = read_journal(job.output / EVALUATIONS)
    told = evaluation["tasks"]["open_ended"]
    assert (told["rollouts"], told["scored"]) == (1, 1)
    assert (told["reward"], told["accuracy"]) == (None, None)
    assert told["parts"]["raw_score"] < 0
    assert told["format"] is not None
    assert evaluation["reward"] == evaluation["tasks"]["ocr"]["reward"]
    assert step["tasks"]["open_ended"]["accuracy"] is not None
    assert step["tasks"]["open_ended"]["parts"]["raw_score"] < 0
    assert step["tasks"]["ocr"]["parts"]["word_error_rate"] >= 0


def test_only_the_newest_checkpoints_are_kept(job, client):
    """A save every step leaves the last two."""
    train(replace(job, save_every=1), client)
    names = [path.name for path in list_checkpoints(job.output / CHECKPOINTS)]
    assert names == ["step-000003", "step-000004"]


def test_resuming_what_never_began_begins_it(job, client):
    """No checkpoint and no run at the service: the job starts, so a restart script needs no if."""
    train(replace(job, steps=1), client, resume=True)
    assert client.run(job.run)["step"] == 1


def test_a_checkpoint_whose_run_the_service_forgot_is_not_resumed(job, client):
    """Without its moments the run cannot go on as it was."""
    train(replace(job, steps=1), client)
    urllib3.request("DELETE", f"{client.config.url}/runs/{job.run}")
    with pytest.raises(RewardRefused, match=job.run):
        train(job, client, resume=True)
