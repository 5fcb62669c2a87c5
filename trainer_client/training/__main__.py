"""Train a model: `python -m trainer_client.training JOB.toml`."""

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path

from rich.console import Console

from trainer_client.errors import ClientError
from trainer_client.training.job_file import load_config

INTERRUPTED = 130


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the job that a TOML file describes; return the exit status of the process."""
    parser = argparse.ArgumentParser(prog="reward-service train", description=main.__doc__)
    parser.add_argument("job", type=Path, help="the TOML file")
    parser.add_argument("--resume", action="store_true", help="go on from the newest checkpoint")
    options = parser.parse_args(arguments)
    console = Console(stderr=True)
    try:
        config = load_config(options.job)
        # A mistake in the file is told before torch has been loaded.
        from trainer_client.training.job import run_job

        run_job(config, console, resume=options.resume)
    except ClientError as error:
        console.print(f"{type(error).__name__}: {error}", style="red", markup=False)
        return 1
    except KeyboardInterrupt:
        console.print("stopped; --resume goes on from the newest checkpoint")
        return INTERRUPTED
    return 0


if __name__ == "__main__":
    sys.exit(main())
