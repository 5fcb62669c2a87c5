"""A service watched from outside while it works: what it holds, and how fast its probes answer."""

import threading
import time
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Self

import psutil
import urllib3
from prometheus_client.parser import text_string_to_metric_families

PROBES = ("/livez", "/readyz", "/metrics")
MIB = 2**20


@dataclass(frozen=True, slots=True)
class Holding:
    """What a service holds at one instant.

    Memory and zombies are those of all its processes, files and threads of the one that serves.
    """

    rss_mib: float
    fds: int
    threads: int
    zombies: int


def holding(pid: int) -> Holding:
    """Look at a process and at those that it started."""
    family = [psutil.Process(pid)]
    family += family[0].children(recursive=True)
    rss = zombies = 0
    for process in family:
        with suppress(psutil.NoSuchProcess):
            rss += process.memory_info().rss
            zombies += process.status() == psutil.STATUS_ZOMBIE
    fds = len(list(Path(f"/proc/{pid}/fd").iterdir()))
    return Holding(rss / MIB, fds, family[0].num_threads(), zombies)


def gauges(text: str) -> dict[str, float]:
    """Every sample of a scrape that has no label, or an empty one, by name."""
    return {
        sample.name: sample.value
        for family in text_string_to_metric_families(text)
        for sample in family.samples
        if not any(sample.labels.values())
    }


@dataclass
class Watch(threading.Thread):
    """Asks the probes of a service again and again, and keeps what they say and how long it took.

    `refused` are the paths that were not answered 200.
    """

    url: str
    every_s: float = 0.1
    latencies_s: dict[str, list[float]] = field(default_factory=lambda: {p: [] for p in PROBES})
    most: dict[str, float] = field(default_factory=dict)
    latest: dict[str, float] = field(default_factory=dict)
    refused: list[str] = field(default_factory=list)

    def __post_init__(self) -> None:
        super().__init__(daemon=True)
        self._stopped = threading.Event()

    __hash__ = object.__hash__

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(self, *_) -> None:
        self._stopped.set()
        self.join()

    def run(self) -> None:
        """Ask until told to stop."""
        with urllib3.PoolManager(retries=False, timeout=30) as http:
            while not self._stopped.wait(self.every_s):
                for path in PROBES:
                    self._ask(http, path)

    def _ask(self, http: urllib3.PoolManager, path: str) -> None:
        began = time.monotonic()
        try:
            answer = http.request("GET", self.url + path)
        except urllib3.exceptions.HTTPError as error:
            self.refused.append(f"{path}: {error}")
            return
        self.latencies_s[path].append(time.monotonic() - began)
        if answer.status != 200:
            self.refused.append(f"{path}: {answer.status}")
        elif path == "/metrics":
            self.latest = gauges(answer.data.decode())
            for name, value in self.latest.items():
                self.most[name] = max(value, self.most.get(name, value))
