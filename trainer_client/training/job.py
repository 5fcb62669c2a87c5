"""A whole job as a person runs it: a bar while it trains, a table and a picture at the end."""

from dataclasses import replace

from rich.console import Console
from transformers.utils import logging

from trainer_client.client import RewardClient
from trainer_client.config import ClientConfig
from trainer_client.training.config import TrainingConfig
from trainer_client.training.display import Display
from trainer_client.training.journal import STEPS, read_journal
from trainer_client.training.loop import train
from trainer_client.training.plots import draw_run
from trainer_client.training.report import table_of

PICTURE = "run.png"


def run_job(config: TrainingConfig, console: Console, *, resume: bool = False) -> None:
    """Train, then say what was learned and where everything is.

    The API key, if the service wants one, comes from `REWARD_SERVICE_API_KEY`.
    """
    logging.disable_progress_bar()
    settings = replace(ClientConfig.from_environment(), url=config.service.url)
    with RewardClient(settings) as client, Display(config.steps, console) as display:
        model = train(config, client, resume=resume, watch=display.watch)
    steps = read_journal(config.output / STEPS)
    picture = config.output / PICTURE
    draw_run(steps, picture, title=config.run)
    console.print(table_of(steps))
    console.print(f"model    {model}\njournal  {config.output / STEPS}\npicture  {picture}")
