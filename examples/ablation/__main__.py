"""Compare three estimators on four tasks, and our loop with TRL's: `make ablation`."""

import json
import shutil
import sys
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path

import torch
from rich.console import Console
from transformers.utils import logging

from examples.ablation.pictures import draw_rewards, draw_shares
from examples.ablation.policy import cold_start
from examples.ablation.puzzles import LEVELS, TASKS, write_questions
from examples.ablation.results import OURS, TRLS, Run, sum_up
from examples.ablation.runs import job_for, run_ours
from examples.ablation.settings import Settings, load_settings
from examples.ablation.trl_runs import run_trl
from examples.server import run_service
from trainer_client.client import RewardClient
from trainer_client.training.config import Estimator

COMPARED: Estimator = "ema_grpo"  # what is trained through TRL too


def main() -> int:
    """Make every run that is not there yet, one after the other, and sum them up."""
    torch.set_num_threads(1)
    logging.disable_progress_bar()
    console = Console()
    settings = load_settings()
    folder = settings.job.output
    # The service's store goes: a run that was stopped half way begins anew.
    shutil.rmtree(folder / "service", ignore_errors=True)
    arms = [*((OURS, estimator) for estimator in settings.estimators), (TRLS, COMPARED)]
    files = []
    with run_service(folder / "service") as url:
        for seed in settings.seeds:
            for trainer, estimator in arms:
                files.append(make_run(settings, url, trainer, estimator, seed))
                console.print(files[-1])
    publish(settings, files)
    console.print(f"results and pictures are in {folder}")
    return 0


def make_run(settings: Settings, url: str, trainer: str, estimator: Estimator, seed: int) -> Path:
    """Return the file of a run, which is made if it is not there."""
    config = job_for(settings, estimator, seed, url)
    path = config.output / "runs" / f"{trainer}-{config.run}.json"
    if path.exists():
        return path
    rounds = config.steps * config.data.prompts_per_step // (len(TASKS) * len(LEVELS))
    write_questions(config.data.train, rounds, seed=seed)
    cold_start(settings, Path(config.model.name), seed=seed)
    if trainer == TRLS:
        run = run_trl(config)
    else:
        with RewardClient(url) as client:
            run = run_ours(settings, config, client)
    path.parent.mkdir(exist_ok=True)
    unfinished = path.with_suffix(".unfinished")
    unfinished.write_text(json.dumps(asdict(run)), encoding="utf-8")
    return unfinished.rename(path)


def publish(settings: Settings, files: Sequence[Path]) -> None:
    """Write what the runs come to, and its pictures."""
    folder = settings.job.output
    runs = [Run(**json.loads(path.read_text(encoding="utf-8"))) for path in files]
    results = sum_up(runs, settings.measure_every)
    (folder / "results.json").write_text(json.dumps(results) + "\n", encoding="utf-8")
    draw_rewards(results, folder / "rewards.png")
    draw_shares(results, folder / "shares.png")


if __name__ == "__main__":
    sys.exit(main())
