"""Train a model: `python -m trainer_client.training JOB.toml`."""

import argparse
import sys
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from rich.console import Console
from transformers.utils import logging

from trainer_client.client import RewardClient
from trainer_client.config import ClientConfig
from trainer_client.errors import ClientError
from trainer_client.training.config import TrainingConfig, load_config
from trainer_client.training.display import Display
from trainer_client.training.journal import STEPS, read_journal
from trainer_client.training.loop import train
from trainer_client.training.plots import draw_run
from trainer_client.training.report import table_of

INTERRUPTED = 130
PICTURE = "run.png"


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the job that a TOML file describes; return the exit status of the process."""
    parser = argparse.ArgumentParser(prog="reward-service train", description=main.__doc__)
    parser.add_argument("job", type=Path, help="the TOML file")
    parser.add_argument("--resume", action="store_true", help="go on from the newest checkpoint")
    options = parser.parse_args(arguments)
    console = Console(stderr=True)
    try:
        run_job(load_config(options.job), console, resume=options.resume)
    except ClientError as error:
        console.print(f"{type(error).__name__}: {error}", style="red", markup=False)
        return 1
    except KeyboardInterrupt:
        console.print("stopped; --resume goes on from the newest checkpoint")
        return INTERRUPTED
    return 0


def run_job(config: TrainingConfig, console: Console, *, resume: bool = False) -> None:
    """Train with a progress bar, then say what was learned and where everything is."""
    logging.disable_progress_bar()
    settings = replace(ClientConfig.from_environment(), url=config.service.url)
    with RewardClient(settings) as client, Display(config.steps, console) as display:
        model = train(config, client, resume=resume, watch=display.watch)
    steps = read_journal(config.output / STEPS)
    picture = config.output / PICTURE
    draw_run(steps, picture, title=config.run)
    console.print(table_of(steps))
    console.print(f"model    {model}\njournal  {config.output / STEPS}\npicture  {picture}")


if __name__ == "__main__":
    sys.exit(main())
