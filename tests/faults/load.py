"""Callers that take steps, and the proof that what they were told is what happened."""

import random
import threading
import time
from dataclasses import dataclass, field
from typing import Self

import orjson
import urllib3

from service.engine.log_check import verify_lines
from service.engine.update_line import UpdateLine

LINES = {"Accept": "application/x-ndjson"}
FAILURES = (urllib3.exceptions.HTTPError, OSError)


def body_of(run, step):
    """The step of a run, the same whenever it is asked for."""
    source = random.Random(f"{run}/{step}")
    return orjson.dumps(
        {
            "run": run,
            "step": step,
            "rewards": [round(source.gauss(0.7, 0.4), 3) for _ in range(16)],
            "groups": [f"p{i // 4}" for i in range(16)],
            "tasks": [("math", "ocr")[i // 8] for i in range(16)],
        }
    )


@dataclass(eq=False)
class Caller(threading.Thread):
    """Takes one step after the other of its own run, at replicas in turn, until it is told to stop.

    A patient one sends a step again until it is answered; another one goes on to the next step.
    """

    run_name: str
    urls: list[str]
    patient: bool
    stopped: threading.Event
    timeout_s: float = 5.0
    acknowledged: dict[int, bytes] = field(default_factory=dict)
    failed: set[int] = field(default_factory=set)
    statuses: set[int] = field(default_factory=set)

    def __post_init__(self) -> None:
        super().__init__(daemon=True)
        self.turn = 0

    def run(self) -> None:
        """Take steps."""
        step = 0
        with urllib3.PoolManager(retries=False) as http:
            while not self.stopped.is_set():
                taken = self._send(http, step)
                if taken or not self.patient:
                    step += 1
                if not taken:
                    time.sleep(0.02)

    def _send(self, http, step) -> bool:
        self.turn += 1
        url = self.urls[self.turn % len(self.urls)] + "/advantage"
        try:
            answer = http.request(
                "POST", url, body=body_of(self.run_name, step), timeout=self.timeout_s
            )
        except FAILURES:
            self.failed.add(step)
            return False
        self.statuses.add(answer.status)
        if answer.status == 200:
            self.acknowledged[step] = answer.data
            return True
        self.failed.add(step)
        return False


@dataclass
class Load:
    """Several callers at once."""

    urls: list[str]
    name: str
    patient: int = 3
    careless: int = 3
    stopped: threading.Event = field(default_factory=threading.Event)
    callers: list[Caller] = field(default_factory=list)

    def __enter__(self) -> Self:
        for number in range(self.patient + self.careless):
            patient = number < self.patient
            name = f"{self.name}-{'patient' if patient else 'careless'}-{number}"
            self.callers.append(Caller(name, self.urls, patient, self.stopped))
        for caller in self.callers:
            caller.start()
        return self

    def __exit__(self, *_) -> None:
        self.stopped.set()
        for caller in self.callers:
            caller.join()

    @property
    def acknowledged(self) -> int:
        """How many steps were answered so far."""
        return sum(len(caller.acknowledged) for caller in self.callers)

    def wait_for_more(self, steps: int) -> None:
        """Return when so many more steps have been answered."""
        target, limit = self.acknowledged + steps, time.monotonic() + 60.0
        while self.acknowledged < target:
            assert time.monotonic() < limit, "the load has come to a stand"
            time.sleep(0.01)


def history_of(replica, run):
    """The log of a run as the store has it."""
    answer = replica.send("GET", f"/runs/{run}/history", headers=LINES)
    assert answer.status == 200
    return answer.data.splitlines()


def prove(replica, caller) -> None:
    """What a caller was told is what the store holds: all of it, once, to the last bit."""
    lines = history_of(replica, caller.run_name)
    report = verify_lines(lines)
    assert report.faults == ()
    applied = {line.step: line for line in map(UpdateLine.decode, lines)}
    assert sorted(line.mark.version for line in applied.values()) == list(
        range(1, len(applied) + 1)
    )
    acknowledged = set(caller.acknowledged)
    assert acknowledged <= set(applied) <= acknowledged | caller.failed
    for step, body in caller.acknowledged.items():
        told, line = orjson.loads(body), applied[step]
        assert told["state_version"] == line.mark.version
        assert {task: of["mean"] for task, of in told["tasks"].items()} == {
            task: moments.mean for task, moments in line.after.items()
        }
