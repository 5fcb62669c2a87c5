"""What operators count: every metric of the service, in one registry of its own."""

import asyncio
from collections import Counter as Tally
from collections import defaultdict
from collections.abc import Iterator, Sequence
from contextlib import contextmanager

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram
from prometheus_client.gc_collector import GCCollector
from prometheus_client.platform_collector import PlatformCollector
from prometheus_client.process_collector import ProcessCollector

from rewards.registry import RewardKind, default_task
from rewards.sample import Sample
from rewards.score import Scored, Unscored, Verdict
from service.telemetry.histogram import BatchHistogram
from service.telemetry.parts import PartHealth, PartsCollector
from service.telemetry.runs import LatestRuns
from service.telemetry.tasks import TaskLabels
from service.telemetry.usage import Usage, UsageCollector

SECONDS = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60)
REWARDS = (0.0, 0.1, 0.25, 0.5, 0.6, 0.75, 0.9, 1.0, 1.1, 1.25, 1.4, 1.5, 2.0, 3.0, 4.0, 5.0)
BATCH_SIZES = (1, 4, 16, 64, 128, 256, 512, 1024, 2048, 4096, 8192)
STORE_SECONDS = (0.001, 0.005, 0.025, 0.1, 0.5, 2.5)
RUNS = 8

SCORED = "scored"
REFUSED = "refused"
ABANDONED = "abandoned"
ANY_KIND = "any"


class Metrics:
    """The metrics of one replica; every label takes few values.

    None of them is chosen by a caller, but for the names of the `most_runs` latest runs. An item
    is counted once in `items`: as `scored`, under the code of the error that left it unscored,
    or, with its whole request, as `refused` or `abandoned` under the kind `any`; so is a label that
    makes no item, under the code of its error.
    """

    def __init__(
        self, *, version: str, tasks: TaskLabels | None = None, most_runs: int = RUNS
    ) -> None:
        self.registry = registry = CollectorRegistry()
        self.tasks = tasks or TaskLabels()
        for collector in (ProcessCollector, PlatformCollector, GCCollector):
            collector(registry=registry)
        self.items = Counter(
            "reward_items", "Items by kind and outcome.", ("kind", "outcome"), registry=registry
        )
        self.well_formed = Counter(
            "reward_well_formed_items",
            "Items whose response has the right tags.",
            ("kind",),
            registry=registry,
        )
        self.score = BatchHistogram(
            "reward_score", "Rewards given, by task.", "task", bounds=REWARDS, registry=registry
        )
        self.batch_items = Histogram(
            "reward_batch_items", "Items per request.", buckets=BATCH_SIZES, registry=registry
        )
        self.stage_seconds = Histogram(
            "reward_stage_duration_seconds",
            "Time spent by stage of a request; score holds isolated, similarity and masks.",
            ("stage",),
            buckets=SECONDS,
            registry=registry,
        )
        self.worker_kills = Counter(
            "reward_worker_kills",
            "Processes lost or killed while judging, by reason.",
            ("reason",),
            registry=registry,
        )
        self._add_steps(registry)
        self._add_http(registry)
        self.runs = LatestRuns(self.tasks, most=most_runs)
        registry.register(self.runs)
        build = Gauge("reward_build_info", "Always 1.", ("version",), registry=registry)
        build.labels(version).set(1)

    def _add_steps(self, registry: CollectorRegistry) -> None:
        self.steps = Counter(
            "reward_advantage_steps",
            "Requests for a step: taken, replayed, or refused with an error's code.",
            ("outcome",),
            registry=registry,
        )
        self.groups = Counter(
            "reward_advantage_groups",
            "Groups of the steps taken: compared, limited (past the advantage limit and put back),"
            " equal (one reward, nothing to learn), alone, or dropped by the filter.",
            ("task", "outcome"),
            registry=registry,
        )
        self.floored = Counter(
            "reward_ema_floored",
            "Updates after which the sigma of a task was held at its floor.",
            ("task",),
            registry=registry,
        )
        self.store_seconds = Histogram(
            "reward_store_duration_seconds",
            "Time that the run store took, by what it was asked for.",
            ("operation",),
            buckets=STORE_SECONDS,
            registry=registry,
        )
        self.store_failures = Counter(
            "reward_store_failures",
            "Times that the run store did not do what it was asked for.",
            ("operation",),
            registry=registry,
        )

    def _add_http(self, registry: CollectorRegistry) -> None:
        self.requests = Counter(
            "reward_http_requests",
            "Requests answered; code 499 is a caller that left.",
            ("route", "method", "code"),
            registry=registry,
        )
        self.request_seconds = Histogram(
            "reward_http_request_duration_seconds",
            "Time from the first byte of a request to the last of its answer.",
            ("route",),
            buckets=SECONDS,
            registry=registry,
        )
        self.rejections = Counter(
            "reward_admission_rejections",
            "Requests answered 429, by what there was too much of.",
            ("reason",),
            registry=registry,
        )
        self.departures = Counter(
            "reward_departures",
            "Batches that nobody waited for any more: in the queue, or while they were scored.",
            ("stage",),
            registry=registry,
        )
        self.inflight = Gauge(
            "reward_http_inflight_requests", "Requests being served.", registry=registry
        )

    def follow(self, part: str, usage: Usage) -> None:
        """Show a part's totals and levels, read anew for every scrape."""
        self.registry.register(UsageCollector(part, usage))

    def watch(self, health: PartHealth) -> None:
        """Show which parts are ready, asked anew for every scrape."""
        self.registry.register(PartsCollector(health))

    @contextmanager
    def refusing(self, items: int) -> Iterator[None]:
        """Count `items` as refused if this fails, or as abandoned if nobody waits any more."""
        try:
            yield
        except (ConnectionError, asyncio.CancelledError):
            self.items.labels(ANY_KIND, ABANDONED).inc(items)
            raise
        except Exception:
            self.items.labels(ANY_KIND, REFUSED).inc(items)
            raise

    @contextmanager
    def departing(self, stage: str) -> Iterator[None]:
        """Count a batch that is given up at this stage."""
        try:
            yield
        except asyncio.CancelledError:
            self.departures.labels(stage).inc()
            raise

    @contextmanager
    def refusing_steps(self) -> Iterator[None]:
        """Count a step as refused, under the code of the error, if this fails."""
        try:
            yield
        except Exception as error:
            cause = getattr(error, "cause", error)
            self.steps.labels(getattr(cause, "code", "internal_error")).inc()
            raise

    def count(
        self, kinds: Sequence[RewardKind], samples: Sequence[Sample], verdicts: Sequence[Verdict]
    ) -> None:
        """Count each item of a batch by its kind and what came of it, its reward by its task."""
        alike: defaultdict[tuple[RewardKind, str | None], list[Verdict]] = defaultdict(list)
        for kind, sample, verdict in zip(kinds, samples, verdicts, strict=True):
            alike[kind, sample.task].append(verdict)
        for (kind, task), some in alike.items():
            rewards = [verdict.reward for verdict in some if isinstance(verdict, Scored)]
            if rewards:
                self.score.observe(self.tasks.of(task or default_task(kind)), rewards)
                self.items.labels(kind.name, SCORED).inc(len(rewards))
            self.well_formed.labels(kind.name).inc(sum(one.format == 1.0 for one in some))
            if len(rewards) < len(some):
                self.count_unscored(kind.name, some)
        self.batch_items.observe(len(verdicts))

    def count_unscored(self, kind: str, verdicts: Sequence[Verdict]) -> None:
        """Count those without a verdict under their codes."""
        codes = Tally(one.error.code for one in verdicts if isinstance(one, Unscored))
        for code, number in codes.items():
            self.items.labels(kind, code).inc(number)
