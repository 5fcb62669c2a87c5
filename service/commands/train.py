"""`reward-service train`: hand the command line over to the trainer, which knows nothing of us."""

import os
import sys
from importlib.util import find_spec
from pathlib import Path
from typing import Annotated

import typer

TRAINER = "trainer_client.training"
LIBRARIES = ("torch", "transformers", "safetensors", "PIL")

for library in LIBRARIES:
    if find_spec(library) is None:
        raise ModuleNotFoundError(f"No module named {library!r}", name=library)


def train(
    job: Annotated[Path, typer.Argument(help="TOML file that describes the job.")],
    resume: Annotated[bool, typer.Option(help="Go on from the newest checkpoint.")] = False,  # noqa: FBT002  # a flag of the command line
) -> None:
    """Train a model by GRPO against a running service."""
    # The two packages stay apart: the trainer takes this process over instead of being imported.
    options = ["--resume"] if resume else []
    os.execv(sys.executable, [sys.executable, "-m", TRAINER, str(job), *options])  # noqa: S606  # our own module
