"""`reward-service score`: score a file without a server."""

import asyncio
import json
import os
import sys
from collections.abc import AsyncIterator, Iterator, Sequence
from contextlib import AbstractAsyncContextManager, asynccontextmanager, nullcontext
from itertools import islice
from pathlib import Path
from typing import IO, Annotated, Any, NoReturn

import typer
from msgspec.structs import asdict
from rich.console import Console
from rich.progress import BarColumn, Progress, TaskProgressColumn, TextColumn, TimeRemainingColumn
from rich.table import Table

from rewards.errors import RewardError
from rewards.report import Summary, summarise_by_kind
from rewards.sample import Sample
from rewards.score import Scored, Verdict
from rewards.specs import RELEASED, Spec, find_spec, read_spec
from service.commands.media import Eyes, open_eyes
from service.commands.rows import BadLine, Row, read_row
from service.engine.isolation.cases import IsolationLimits
from service.engine.isolation.pool import IsolatedPool
from service.engine.scoring import ScoringEngine
from service.errors import ServiceError

ROWS_AT_A_TIME = 512
PRINTED_WIDTH = 160


def score(
    file: Annotated[Path, typer.Argument(help="JSON lines with kind, response, ground_truth.")],
    spec: Annotated[str, typer.Option(help="Name of a spec, or a TOML file with one.")] = RELEASED,
    out: Annotated[Path | None, typer.Option(help="Where to write a result per line.")] = None,
    sam2: Annotated[Path | None, typer.Option(help="SAM 2 for mask items: a checkpoint.")] = None,
    sam2_device: Annotated[str, typer.Option(help="Where it runs: auto, cpu or cuda.")] = "auto",
) -> None:
    """Score a file without a server: a table by kind, and a result per line with --out.

    OneThinker's field names (problem_type, data_type, solution, problem, problem_id) will do too.
    A mask item names its media as files beside the lines: {"image": "coins.png"}.
    """
    try:
        chosen = load_spec(spec)
        with file.open("rb") as lines, _writing(out) as results:
            opening = open_eyes(file.parent, sam2, sam2_device)
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
) -> list[tuple[str, Verdict]]:
    async with opening as eyes, _engine(eyes) as engine:
        return await _score_lines(engine, eyes, lines, spec, results)


async def _score_lines(
    engine: ScoringEngine, eyes: Eyes, lines: IO[bytes], spec: Spec, results: IO[str] | None
) -> list[tuple[str, Verdict]]:
    verdicts: list[tuple[str, Verdict]] = []
    columns = (TextColumn("scoring"), BarColumn(), TaskProgressColumn(), TimeRemainingColumn())
    with Progress(*columns, console=Console(stderr=True), transient=True) as progress:
        bar = progress.add_task("scoring", total=os.fstat(lines.fileno()).st_size)
        for rows, read_bytes in _chunks(lines, progress.console):
            samples = [await _seen(row, eyes, progress.console) for row in rows]
            pairs = list(zip(rows, await engine.score(samples, spec), strict=True))
            verdicts += [(row.label, verdict) for row, verdict in pairs]
            if results is not None:
                results.writelines(result_line(row, verdict) for row, verdict in pairs)
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


async def _seen(row: Row, eyes: Eyes, console: Console) -> Sample:
    try:
        return await eyes.see(row.sample, row.media)
    except (OSError, RewardError, ServiceError) as error:
        _complain(console, row.line, error)
        return row.sample


def _complain(console: Console, line: int, error: Exception) -> None:
    console.print(f"line {line}: {error}", markup=False, soft_wrap=True)


def _chunks(lines: IO[bytes], console: Console) -> Iterator[tuple[list[Row], int]]:
    numbered = enumerate(lines, start=1)
    while chunk := list(islice(numbered, ROWS_AT_A_TIME)):
        yield _read_rows(chunk, console), sum(len(text) for _, text in chunk)


def _read_rows(chunk: Sequence[tuple[int, bytes]], console: Console) -> list[Row]:
    rows = []
    for number, text in chunk:
        try:
            if text.strip():
                rows.append(read_row(number, text))
        except BadLine as error:
            _complain(console, number, error)
    return rows


def result_line(row: Row, verdict: Verdict) -> str:
    """One line of the results: where it came from and all that is known of the verdict."""
    result: dict[str, Any] = {"line": row.line, "id": row.id, "kind": row.sample.kind}
    if isinstance(verdict, Scored):
        result |= {"status": "scored"} | asdict(verdict)
    else:
        error = verdict.error
        result |= {
            "status": "unscored",
            "format": verdict.format,
            "structure": verdict.structure,
            "error": {"code": error.code, "retryable": error.retryable, "message": str(error)},
        }
    return json.dumps(result, allow_nan=False) + "\n"


def summary_table(summaries: dict[str, Summary], spec: Spec) -> Table:
    """What is printed at the end: one row per kind."""
    table = Table(title=f"{spec.name} {spec.digest[:15]}")
    table.add_column("kind", no_wrap=True)
    for column in ("n", "mean", "std", "format"):
        table.add_column(column, justify="right")
    table.add_column("unscored")
    table.add_column("metrics")
    for name, summary in summaries.items():
        table.add_row(
            name,
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
