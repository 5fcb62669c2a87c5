"""Tests for the ablation's runs, of a policy that has barely begun, against a real service."""

import json
from dataclasses import replace
from itertools import product
from pathlib import Path
from statistics import fmean

import pytest
import torch

from examples.ablation.__main__ import make_run
from examples.ablation.gradients import prompt_gradients
from examples.ablation.policy import cold_start, make_tokenizer, words
from examples.ablation.puzzles import LEVELS, TASKS, write_questions
from examples.ablation.results import OURS, TRLS
from examples.ablation.runs import job_for
from examples.ablation.settings import load_settings
from tests.e2e.running import running
from trainer_client.client import RewardClient
from trainer_client.training.data import read_questions
from trainer_client.training.learning import learn
from trainer_client.training.loop import Stopwatch, gather, open_job

pytestmark = pytest.mark.filterwarnings("ignore::FutureWarning:transformers")

STEPS = 3


@pytest.fixture(scope="module")
def service_url():
    """A real service."""
    with running() as service:
        yield service.url


@pytest.fixture(scope="module")
def settings(tmp_path_factory):
    """The ablation's own settings, but for a few steps."""
    torch.set_num_threads(1)
    settings = load_settings()
    return replace(
        settings,
        cold_start=replace(settings.cold_start, steps=60),
        job=replace(settings.job, output=tmp_path_factory.mktemp("ablation"), steps=STEPS),
    )


def test_all_that_is_read_or_written_is_a_word_for_the_policy():
    """Prompts, answers and their parts are tokens of their own, and texts come back whole."""
    tokenizer = make_tokenizer()
    assert len(tokenizer) == len(words()) == len(set(words()))
    for task in TASKS:
        text = f"<think></think><answer> {task.write(range(len(task.layout) - 1))} </answer>"
        tokens = tokenizer(text).input_ids
        assert tokenizer.pad_token_id not in tokens
        assert tokenizer.decode(tokens) == text


def test_a_run_keeps_each_tasks_reward_and_is_not_made_twice(settings, service_url):
    """Rewards at every step, gradients at those that are measured; a file that is there stays."""
    path = make_run(settings, service_url, OURS, "dr_grpo", 0)
    run = json.loads(path.read_text())
    assert [*run["rewards"][0]] == ["numerical", "temporal_grounding", "ocr", "segmentation/image"]
    assert len(run["rewards"]) == STEPS
    assert len(run["norms"]) == 1
    assert {tuple(levels) for levels in run["norms"][0].values()} == {LEVELS}
    written = path.stat().st_mtime_ns
    assert make_run(settings, service_url, OURS, "dr_grpo", 0).stat().st_mtime_ns == written


def test_the_parts_of_all_prompts_add_up_to_the_gradient_of_the_step(settings, service_url):
    """What is measured is what moves the policy, the penalty left out."""
    job = replace(
        job_for(settings, "grpo", 1, service_url),
        objective=replace(settings.job.objective, kl_weight=0.0),
    )
    write_questions(job.data.train, STEPS * 2, seed=1)
    cold_start(settings, Path(job.model.name), seed=1)
    with RewardClient(service_url) as client:
        opened = open_job(job, client)
        experience = gather(opened, 1, read_questions(job.data.train), Stopwatch())
    whole = torch.stack(prompt_gradients(opened.learner.policy, experience, job)).sum(0)
    update = learn(opened.learner, experience.rollouts, experience.advantages, job)
    assert float(whole.norm()) == pytest.approx(update.grad_norm, rel=1e-4)
    assert update.grad_norm > 0


def test_trl_is_asked_the_same(settings, service_url):
    """Its first step scores the same questions; rewards of every task arrive at every step."""
    path = make_run(settings, service_url, TRLS, "ema_grpo", 0)
    run = json.loads(path.read_text())
    assert (run["trainer"], run["estimator"], len(run["rewards"])) == (TRLS, "ema_grpo", STEPS)
    assert all(len(step) == len(TASKS) for step in run["rewards"])
    assert RewardClient(service_url).run("ema_grpo-0-trl")["step"] == (STEPS - 1) * 1000


@pytest.mark.long
def test_trls_trainer_learns_what_our_loop_learns(settings, tmp_path):
    """Three seeds, sixty steps: both rise by more than they end apart, which is noise.

    The sum of the four tasks' rewards rises by about 0.35; the difference between two runs of
    one seed deviates by 0.1.
    """
    job = replace(settings.job, output=tmp_path, steps=60)
    learning = replace(settings, job=job, cold_start=load_settings().cold_start)
    ends = {OURS: [], TRLS: []}
    with running() as service:
        for trainer, seed in product(ends, range(3)):
            path = make_run(learning, service.url, trainer, "ema_grpo", seed)
            sums = [sum(step.values()) for step in json.loads(path.read_text())["rewards"]]
            ends[trainer].append((fmean(sums[:10]), fmean(sums[-20:])))
    rises = {trainer: fmean(last - first for first, last in some) for trainer, some in ends.items()}
    apart = fmean(ours[1] - trls[1] for ours, trls in zip(ends[OURS], ends[TRLS], strict=True))
    assert min(rises.values()) > 0.2
    assert abs(apart) < 0.2
