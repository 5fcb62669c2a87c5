"""`reward-service keys new`: make an API key and add it to a file."""

import os
from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer

from service.access.keys import Key, KeyRing, Scope, new_key
from service.errors import BadSettings

# Others may read it, such as the user of a container: from a hash nobody gets a key back.
MODE = 0o644


class Action(StrEnum):
    """What can be done with keys."""

    NEW = "new"


def keys(
    action: Annotated[Action, typer.Argument(help="new: make a key.")],
    name: Annotated[str, typer.Option(help="Whose key it is; logs show this.")],
    scope: Annotated[list[Scope], typer.Option(help="What it is for; may be given often.")],
    runs: Annotated[
        list[str],
        typer.Option(help="Name or pattern of runs, such as 'job-*'; may be given often."),
    ],
    file: Annotated[
        Path, typer.Option("--keys", envvar="REWARDS_KEYS", help="File to add it to.")
    ] = Path("keys.jsonl"),
) -> None:
    """Make a key, print it this once, and add its hash to a file that a service may be reading."""
    try:
        secret, key = new_key(name, list(scope), runs)
        add_key(file, key)
    except (BadSettings, OSError) as error:
        typer.echo(f"reward-service keys {action}: {file}: {error}", err=True)
        raise typer.Exit(1) from None
    typer.echo(secret)


def add_key(file: Path, key: Key) -> None:
    """Append a key to a file; raise `BadSettings` for a file that would make no sense with it."""
    before = file.read_bytes() if file.exists() else b""
    line = key.line().encode()
    if before and not before.endswith(b"\n"):
        line = b"\n" + line
    KeyRing.read(before + line)
    # In one write: a service that reads meanwhile sees all of it or nothing.
    opened = os.open(file, os.O_WRONLY | os.O_APPEND | os.O_CREAT, MODE)
    try:
        os.write(opened, line)
    finally:
        os.close(opened)
