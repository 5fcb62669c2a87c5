"""What an item and a step cost, as measured.json has it."""

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Self

ROLLOUTS = 1024
"""Rollouts of a step."""

MEASURED = Path(__file__).with_name("measured.json")


@dataclass(frozen=True, slots=True)
class Costs:
    """Seconds of a core unless said otherwise.

    `request_s` and `item_s` of the service for a request and each item in it; `step_s` of the
    service for a step of 1,024 rollouts and 8 tasks, `store_s` of Redis for it, `disk_s` of the
    disk; the bytes of an item on the wire and of its result, of a rollout in a kept answer, and of
    a record.
    """

    conditions: str
    request_s: float
    item_s: float
    item_bytes: float
    result_bytes: float
    step_s: float
    store_s: float
    disk_s: float
    rollout_answer_bytes: float
    record_bytes: float

    @classmethod
    def read(cls) -> Self:
        """What was measured last."""
        return cls(**json.loads(MEASURED.read_text(encoding="utf-8")))
