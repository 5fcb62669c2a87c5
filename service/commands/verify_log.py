"""`reward-service verify-log`: prove that a log of updates is whole."""

from itertools import chain
from pathlib import Path
from typing import Annotated

import typer

from service.engine.log_check import LogReport, verify_lines


def verify_log(
    files: Annotated[
        list[Path],
        typer.Argument(
            metavar="FILE...",
            help="Logs that --update-log wrote, or GET /runs/{run}/history gave as JSON lines.",
        ),
    ],
) -> None:
    """Prove that a log of updates is whole: none missing, none twice, every bit as reckoned.

    Several logs of one service are checked as one. Exits with 1 where anything is wrong.
    """
    try:
        lines = chain.from_iterable(path.read_bytes().splitlines() for path in files)
        report = verify_lines(lines)
    except OSError as error:
        typer.echo(f"reward-service: {error.filename}: {error.strerror}", err=True)
        raise typer.Exit(1) from None
    for fault in report.faults:
        typer.echo(fault, err=True)
    typer.echo(summary(report))
    if not report.sound:
        raise typer.Exit(1)


def summary(report: LogReport) -> str:
    """Say in a line what was found.

    >>> summary(LogReport(runs=2, updates=57, rewinds=1, repeated=0, faults=()))
    'sound: 57 updates of 2 runs, 1 rewinds, 0 repeated lines'
    """
    verdict = "sound" if report.sound else f"NOT SOUND, {len(report.faults)} faults"
    return (
        f"{verdict}: {report.updates} updates of {report.runs} runs,"
        f" {report.rewinds} rewinds, {report.repeated} repeated lines"
    )
