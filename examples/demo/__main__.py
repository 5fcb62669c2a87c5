"""Train a small language model against the service and show what it learned: `make demo`."""

import os
import shutil
import signal
import sys
import time
from dataclasses import replace
from pathlib import Path

from rich.console import Console

from examples.demo.questions import write_questions
from examples.demo.weights import fetch_model
from examples.server import ServiceDied, run_service
from trainer_client.errors import ClientError
from trainer_client.training.job_file import load_config

FOLDER = Path("build/demo")
INTERRUPTED = 130


def main() -> int:
    """Fetch the model, start the service, train, stop the service."""
    # Threads that spin while they wait for each other make torch five times slower where another
    # program wants the same cores; it reads this when it is loaded, which is later.
    os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")
    # A closed terminal and a polite kill take the way of Ctrl-C, through every `finally`.
    for number in (signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, signal.default_int_handler)
    console = Console()
    try:
        run_demo(console)
    except (ClientError, ServiceDied) as error:
        console.print(f"{type(error).__name__}: {error}", style="red", markup=False)
        return 1
    except KeyboardInterrupt:
        return INTERRUPTED
    return 0


def run_demo(console: Console) -> None:
    """Run the demo from a clean slate; only the converted model is kept from earlier runs."""
    started = time.monotonic()
    config = load_config(Path(__file__).with_name("demo.toml"))
    shutil.rmtree(config.output, ignore_errors=True)
    with console.status("SmolLM2-135M: fetching and converting its weights, the first time only"):
        fetch_model(Path(config.model.name))
    write_questions(config.data.train, config.steps, seed=config.seed)
    # Only now, for torch takes seconds to load and the first line should not wait for it.
    from trainer_client.training.job import run_job

    with run_service(config.output) as url:
        console.print(f"the service answers on {url}, its documentation on {url}/docs")
        run_job(replace(config, service=replace(config.service, url=url)), console)
    minutes, seconds = divmod(round(time.monotonic() - started), 60)
    console.print(f"took {minutes} min {seconds} s; the service is stopped")


if __name__ == "__main__":
    sys.exit(main())
