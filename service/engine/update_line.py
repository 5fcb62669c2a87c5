"""One line of a run's history: what an update folded, where it came from, where it led."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal, Self

import orjson

from rewards.advantages.rollouts import EmaState
from rewards.maths.moments import BatchMoments
from service.engine.run_state import read_tasks, write_tasks
from service.state.records import Mark


@dataclass(frozen=True, slots=True, kw_only=True)
class UpdateLine:
    """A step, or an import, as anyone may check it.

    `inputs` is the SHA-256 of the request, or of the requests of all shards. `before` and
    `batch` hold the tasks that the step touched, `after` all tasks of the run.
    """

    event: Literal["step", "import"]
    run: str
    mark: Mark
    step: int
    at: float
    after: EmaState
    inputs: str = ""
    decay: float = 1.0
    before: EmaState = field(default_factory=dict)
    batch: Mapping[str, BatchMoments] = field(default_factory=dict)

    def encode(self) -> bytes:
        """Write the line as JSON, without the line's end."""
        return orjson.dumps(
            {
                "event": self.event,
                "key": f"{self.run}/{self.step}",
                "run": self.run,
                "generation": self.mark.generation,
                "version": self.mark.version,
                "step": self.step,
                "at": self.at,
                "inputs": self.inputs,
                "decay": self.decay,
                "before": write_tasks(self.before),
                "batch": {
                    task: [batch.count, batch.mean, batch.variance]
                    for task, batch in self.batch.items()
                },
                "after": write_tasks(self.after),
            }
        )

    @classmethod
    def decode(cls, line: bytes) -> Self:
        """Read a line; raise `ValueError`, `KeyError` or `TypeError` for what is none."""
        content: dict[str, Any] = orjson.loads(line)
        if content["event"] not in ("step", "import"):
            raise ValueError(f"unknown event {content['event']!r}")
        return cls(
            event=content["event"],
            run=str(content["run"]),
            mark=Mark(int(content["generation"]), int(content["version"])),
            step=int(content["step"]),
            at=float(content["at"]),
            after=read_tasks(content["after"]),
            inputs=str(content["inputs"]),
            decay=float(content["decay"]),
            before=read_tasks(content["before"]),
            batch={
                task: BatchMoments(int(count), float(mean), float(variance))
                for task, (count, mean, variance) in content["batch"].items()
            },
        )
