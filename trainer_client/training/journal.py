"""The journal of a run: one JSON object a line, and TensorBoard where it is installed."""

import json
from collections.abc import Iterator, Mapping
from dataclasses import asdict
from importlib.util import find_spec
from pathlib import Path
from typing import Any, Self

from trainer_client.training.records import EvaluationRecord, StepRecord

STEPS = "steps.jsonl"
EVALUATIONS = "evaluations.jsonl"
LONGEST_WAIT_S = 2


class Journal:
    """Where a run writes what happened; lines after `step` are dropped, for they will be redone."""

    def __init__(self, folder: Path, *, step: int) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        self._files = {name: _reopen(folder / name, step) for name in (STEPS, EVALUATIONS)}
        self._board = _open_board(folder / "tensorboard", step)

    def write(self, record: StepRecord | EvaluationRecord) -> None:
        """Add one record; it is on disk before this returns, as far as a killed process goes."""
        name, family = (STEPS, "train") if isinstance(record, StepRecord) else (EVALUATIONS, "eval")
        fields = asdict(record)
        file = self._files[name]
        file.write(json.dumps(fields, allow_nan=False) + "\n")
        file.flush()
        if self._board is not None:
            for key, value in _numbers(fields, family):
                self._board.add_scalar(key, value, record.step)

    def close(self) -> None:
        """Close every file."""
        for file in self._files.values():
            file.close()
        if self._board is not None:
            self._board.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


def read_journal(path: Path) -> list[dict[str, Any]]:
    """Return the records of a journal file as JSON objects, oldest first; none without a file."""
    if not path.exists():
        return []
    # What follows the last line's end was cut short by a crash.
    *lines, _ = path.read_text(encoding="utf-8").split("\n")
    return [json.loads(line) for line in lines]


def _reopen(path: Path, step: int) -> Any:
    kept = [record for record in read_journal(path) if record["step"] <= step]
    file = path.open("w", encoding="utf-8")
    file.writelines(json.dumps(record) + "\n" for record in kept)
    file.flush()
    return file


def _open_board(folder: Path, step: int) -> Any:
    if find_spec("tensorboard") is None:
        return None
    from torch.utils.tensorboard import SummaryWriter

    # An interrupt may lose what wakes the thread that writes, and closing waits for that thread: it
    # looks by itself after this time, by default two minutes.
    return SummaryWriter(str(folder), purge_step=step + 1, flush_secs=LONGEST_WAIT_S)


def _numbers(fields: Mapping[str, Any], prefix: str) -> Iterator[tuple[str, float]]:
    for key, value in fields.items():
        if isinstance(value, Mapping):
            yield from _numbers(value, f"{prefix}/{key}")
        elif value is not None and key != "step":
            yield f"{prefix}/{key}", float(value)
