"""Several callers at once: throughput, who waits for whom, and what a second worker is worth."""

import threading
import time
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from dataclasses import replace
from functools import partial
from statistics import quantiles

from tests.benchmarks.rewards.report import Report
from tests.benchmarks.rewards.rounds import Figure, Rounds, Turn
from tests.benchmarks.rewards.service import Service, get, post, serving
from tests.benchmarks.rewards.steps import MATH
from tests.benchmarks.rewards.ways import Shape, over_http
from tests.benchmarks.rewards.workload import equal_formula

CLIENTS = 8
BATCH = Shape(16, 8)
BATCHES = 40
SMALL, LARGE = Shape(8, 8), Shape(1024, 8)
SMALL_REQUESTS = 300
PROBE_PAUSE_S = 0.01
ROUNDS = 3


def measure_clients(report: Report, service: Service) -> None:
    """Count the items a second that one caller gets scored, and eight, 128 at a time."""
    for clients in (1, CLIENTS):
        rates = [_items_per_s(service, clients) for _ in range(ROUNDS)]
        report.add(f"items_per_s_of_{clients}_clients", Figure.of(rates))


def _items_per_s(service: Service, clients: int) -> float:
    batches = BATCH.steps(BATCHES * clients)
    bodies = iter([batch.body for batch in batches])

    def call() -> None:
        with closing(service.connect()) as connection:
            for body in bodies:
                post(connection, body)

    threads = [threading.Thread(target=call) for _ in range(clients)]
    began = time.perf_counter()
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return sum(map(len, batches)) / (time.perf_counter() - began)


def measure_fairness(report: Report, service: Service) -> None:
    """Time requests of 64 items, and probes, while somebody else sends 8,192 at a time."""
    small = [step.body for step in SMALL.steps(SMALL_REQUESTS)]
    large = [step.body for step in LARGE.steps(4)]
    probes: list[float] = []
    turns = iter(range(2**62))

    def send_large(connection: object) -> None:
        post(connection, large[next(turns) % len(large)])

    def probe(connection: object) -> None:
        began = time.perf_counter()
        get(connection, "/livez")
        probes.append(time.perf_counter() - began)
        time.sleep(PROBE_PAUSE_S)

    with closing(service.connect()) as connection:
        alone = [_timed(lambda body=body: post(connection, body)) for body in small]
        with _meanwhile(service, send_large), _meanwhile(service, probe):
            beside = [_timed(lambda body=body: post(connection, body)) for body in small]
    report.add("small_request_alone_p50_ms", Figure.of([_percentile(alone, 50) * 1e3]))
    report.add("small_request_p50_ms", Figure.of([_percentile(beside, 50) * 1e3]))
    report.add("small_request_p99_ms", Figure.of([_percentile(beside, 99) * 1e3]))
    worst = _percentile(beside, 99) / _percentile(beside, 50)
    report.add("small_request_p99_over_p50", Figure.of([worst]))
    report.add("livez_p99_ms", Figure.of([_percentile(probes, 99) * 1e3]))


def _timed(call: Callable[[], object]) -> float:
    began = time.perf_counter()
    call()
    return time.perf_counter() - began


def _percentile(values: list[float], percent: int) -> float:
    return quantiles(values, n=100)[percent - 1]


@contextmanager
def _meanwhile(service: Service, call: Callable[..., None]) -> Iterator[None]:
    done = threading.Event()

    def go_on() -> None:
        with closing(service.connect()) as connection:
            while not done.is_set():
                call(connection)

    thread = threading.Thread(target=go_on)
    thread.start()
    try:
        yield
    finally:
        done.set()
        thread.join()


def measure_workers(report: Report) -> None:
    """Time formulas that only algebra can tell, on one core by one worker and on two by two.

    Workers share the work of the library, and only that: reading, writing and the client are not
    faster by a second worker. So what counts is how long requests waited for formulas; the whole
    is a figure of its own.
    """
    shape = Shape(1024, 1, quick=2, recipes=(replace(MATH, make=equal_formula),))
    with serving([0], workers="1") as one, serving([0, 1], workers="2") as two:
        rounds = Rounds.take(
            {
                name: Turn(
                    over_http(service),
                    shape.steps(shape.quick),
                    core=1,
                    cpu=partial(service.stage_s, "isolated"),
                )
                for name, service in (("one", one), ("two", two))
            }
            for _ in range(shape.rounds)
        )
    report.add("two_workers_over_one", rounds.cpu_ratio("one", "two"))
    report.add("two_workers_over_one_http", rounds.wall_ratio("one", "two"))


def measure_presence(report: Report) -> None:
    """Time the start, and weigh the service that does nothing."""
    started, resident = [], []
    for _ in range(ROUNDS):
        with serving([0, 1]) as service:
            started.append(service.started_s)
            resident.append(service.resident_mib())
    report.add("start_up_s", Figure.of(started))
    report.add("resident_mib_idle", Figure.of(resident))
