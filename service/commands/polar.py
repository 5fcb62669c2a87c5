"""`reward-service polar check`: is this POLAR the one that was published?"""

import asyncio
from enum import StrEnum
from typing import Annotated

import typer
from rich.console import Console
from rich.table import Table

from rewards.errors import BadModel, ScorerUnavailable
from rewards.ports import SimilarityModel
from service.errors import BadSettings
from service.models import CheckReport, check_published, similarity_model
from service.settings import Settings

HALF_PRECISION = 0.1


class Action(StrEnum):
    """What can be done with a POLAR model."""

    CHECK = "check"


def polar(
    action: Annotated[Action, typer.Argument(help="check: score the published examples.")],
    model: Annotated[str, typer.Argument(help="A checkpoint folder, or http+vllm://HOST:PORT.")],
    device: Annotated[str, typer.Option(help="Device of a checkpoint.")] = "cpu",
    dtype: Annotated[str, typer.Option(help="auto, fp32, bf16 or fp16.")] = "auto",
) -> None:
    """Verify a POLAR model and print its scores beside the published ones."""
    try:
        settings = Settings.read({}, polar=model, polar_device=device, polar_dtype=dtype)
        report = asyncio.run(_check(similarity_model(settings)))
    except (BadSettings, BadModel) as error:
        typer.echo(f"reward-service polar {action}: {error}", err=True)
        raise typer.Exit(1) from None
    _show(report)


async def _check(model: SimilarityModel | None) -> CheckReport:
    if model is None:
        raise BadSettings("expected a model")
    try:
        await model.start()
        return await check_published(model)
    finally:
        await model.close()


def _show(report: CheckReport) -> None:
    table = Table("prompt", "output", "published", "here", "difference", title=report.scorer)
    for row in report.rows:
        asked = row.example.comparison
        failed = isinstance(row.found, ScorerUnavailable)
        table.add_row(
            asked.prompt[:40],
            asked.output[:40],
            f"{row.example.score:.4f}",
            str(row.found) if failed else f"{row.found:.4f}",
            "" if row.difference is None else f"{row.difference:+.4f}",
        )
    console = Console()
    console.print(table)
    largest = report.largest_difference
    if largest is None:
        console.print("not everything could be scored")
        raise typer.Exit(1)
    same = "these are" if largest <= HALF_PRECISION else "these are not"
    console.print(f"{same} the scores of POLAR-7B: the largest difference is {largest:.4f}")
