"""`reward-service score`: score a file without a server."""

import asyncio
import json
import os
import sys
from collections.abc import AsyncIterator, Iterator, Mapping, Sequence
from contextlib import AbstractAsyncContextManager, asynccontextmanager, nullcontext
from dataclasses import replace
from itertools import islice
from pathlib import Path
from typing import IO, Annotated, Any, NoReturn

import typer
from rich.console import Console
from rich.progress import BarColumn, Progress, TaskProgressColumn, TextColumn, TimeRemainingColumn
from rich.table import Table

from rewards.errors import BadMedia, RewardError
from rewards.report import Heading, Summary, summarise_by_kind
from rewards.score import Unscored, Verdict
from rewards.specs import RELEASED, Spec, find_spec, read_spec
from service.commands.media import Eyes, open_eyes
from service.commands.rows import Row, read_row
from service.engine.isolation.cases import IsolationLimits
from service.engine.isolation.pool import IsolatedPool
from service.engine.results import write_result, write_spec
from service.engine.scoring import ScoringEngine
from service.errors import ServiceError

ROWS_AT_A_TIME = 512
PRINTED_WIDTH = 160


def score(
    file: Annotated[Path, typer.Argument(help="JSON lines with kind, response, ground_truth.")],
    spec: Annotated[str, typer.Option(help="Name of a spec, or a TOML file with one.")] = RELEASED,
    out: Annotated[Path | None, typer.Option(help="Where to write a result per line.")] = None,
    sam2: Annotated[Path | None, typer.Option(help="SAM 2 for mask items: a checkpoint.")] = None,
    sam2_backend: Annotated[
        str, typer.Option(help="What runs it: transformers, or native for a .pt file.")
    ] = "transformers",
    sam2_device: Annotated[str, typer.Option(help="Where it runs: auto, cpu or cuda.")] = "auto",
) -> None:
    """Score a file without a server: a table by kind and task, and a result per line with --out.

    A line that cannot be read is unscored, like any that has no verdict, and counted by reason.

    OneThinker's field names (problem_type, data_type, solution, problem, problem_id) will do too.
    A mask item names its media as files beside the lines, {"image": "coins.png"}, or holds them
    as on the wire, {"image": {"base64": "…"}}.
    """
    try:
        chosen = load_spec(spec)
        with file.open("rb") as lines, _writing(out) as results:
            opening = open_eyes(file.parent, sam2, backend=sam2_backend, device=sam2_device)
            verdicts = asyncio.run(_score_file(lines, chosen, results, opening))
    except OSError as error:
        _give_up(f"{error.filename}: {error.strerror}" if error.filename else str(error))
    except (RewardError, ServiceError) as error:
        _give_up(str(error))
    table = summary_table(summarise_by_kind(verdicts), chosen)
    Console(width=None if sys.stdout.isatty() else PRINTED_WIDTH).print(table)


def _give_up(why: str) -> NoReturn:
    typer.echo(f"reward-service: {why}", err=True)
    raise typer.Exit(1)


def load_spec(name: str) -> Spec:
    """Return a built-in spec, or the one in a TOML file."""
    if name.endswith(".toml"):
        return read_spec(Path(name).read_text(encoding="utf-8"))
    return find_spec(name)


def _writing(out: Path | None) -> Any:
    return nullcontext() if out is None else out.open("w", encoding="utf-8")


async def _score_file(
    lines: IO[bytes],
    spec: Spec,
    results: IO[str] | None,
    opening: AbstractAsyncContextManager[Eyes],
) -> list[tuple[Heading, Verdict]]:
    async with opening as eyes, _engine(eyes) as engine:
        return await _score_lines(engine, eyes, lines, spec, results)


async def _score_lines(
    engine: ScoringEngine, eyes: Eyes, lines: IO[bytes], spec: Spec, results: IO[str] | None
) -> list[tuple[Heading, Verdict]]:
    verdicts: list[tuple[Heading, Verdict]] = []
    columns = (TextColumn("scoring"), BarColumn(), TaskProgressColumn(), TimeRemainingColumn())
    with Progress(*columns, console=Console(stderr=True), transient=True) as progress:
        bar = progress.add_task("scoring", total=os.fstat(lines.fileno()).st_size)
        for rows, read_bytes in _chunks(lines):
            seen = [await _see(row, eyes) for row in rows]
            _complain(seen, progress.console)
            found = await engine.score([row.sample for row in seen], spec)
            pairs = [(row, _settle(row, verdict)) for row, verdict in zip(seen, found, strict=True)]
            verdicts += [(Heading(row.label, row.sample.task), verdict) for row, verdict in pairs]
            if results is not None:
                results.writelines(result_line(row, verdict, spec) for row, verdict in pairs)
            progress.advance(bar, read_bytes)
    return verdicts


@asynccontextmanager
async def _engine(eyes: Eyes) -> AsyncIterator[ScoringEngine]:
    limits = IsolationLimits(workers=len(os.sched_getaffinity(0)))
    engine = ScoringEngine(IsolatedPool(limits), masks=eyes.lane)
    try:
        await engine.start()
        yield engine
    finally:
        await engine.close()


async def _see(row: Row, eyes: Eyes) -> Row:
    if row.kind is None or row.kind.masks is None:
        return row
    try:
        return replace(row, sample=await eyes.see(row.sample, row.media))
    except (OSError, RewardError, ServiceError) as error:
        return replace(row, fault=row.fault or BadMedia(str(error)))


def _complain(rows: Sequence[Row], console: Console) -> None:
    for row in rows:
        if row.fault is not None:
            console.print(f"line {row.line}: {row.fault}", markup=False, soft_wrap=True)


def _settle(row: Row, verdict: Verdict) -> Verdict:
    """Take the verdict from a line that is at fault: its sample is not what the line says."""
    if row.fault is None:
        return verdict
    return Unscored(verdict.format, verdict.structure, row.fault)


def _chunks(lines: IO[bytes]) -> Iterator[tuple[list[Row], int]]:
    numbered = enumerate(lines, start=1)
    while chunk := list(islice(numbered, ROWS_AT_A_TIME)):
        rows = [read_row(number, text) for number, text in chunk if text.strip()]
        yield rows, sum(len(text) for _, text in chunk)


def result_line(row: Row, verdict: Verdict, spec: Spec) -> str:
    """One line of the results: where it came from, what came of it, and the spec that made it."""
    result: dict[str, Any] = {"line": row.line, "kind": row.sample.kind or None}
    result |= write_result(row.id, verdict) | {"spec": write_spec(spec)}
    return json.dumps(result, allow_nan=False) + "\n"


def summary_table(summaries: Mapping[Heading, Summary], spec: Spec) -> Table:
    """What is printed at the end: one row per kind, and one below it per task that lines name."""
    table = Table(title=f"{spec.name} {spec.digest[:15]}")
    table.add_column("kind", no_wrap=True)
    for column in ("n", "mean", "std", "format"):
        table.add_column(column, justify="right")
    table.add_column("unscored")
    table.add_column("metrics")
    for (kind, task), summary in summaries.items():
        table.add_row(
            kind if task is None else f"  {task}",
            str(summary.count),
            _number(summary.mean),
            _number(summary.std),
            _number(summary.format_rate),
            ", ".join(f"{code} {count}" for code, count in summary.unscored.items()),
            ", ".join(f"{metric} {value:.3f}" for metric, value in summary.metrics.items()),
        )
    return table


def _number(value: float | None) -> str:
    return "-" if value is None else f"{value:.3f}"
