"""What operators count: every metric of the service, in one registry of its own."""

from collections import Counter as Tally
from collections.abc import Iterator, Sequence
from contextlib import contextmanager

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram
from prometheus_client.gc_collector import GCCollector
from prometheus_client.platform_collector import PlatformCollector
from prometheus_client.process_collector import ProcessCollector

from rewards.score import Scored, Verdict
from service.telemetry.usage import Usage, UsageCollector

SECONDS = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60)
REWARDS = (0.0, 0.1, 0.25, 0.5, 0.6, 0.75, 0.9, 1.0, 1.1, 1.25, 1.4, 1.5, 2.0, 3.0, 4.0, 5.0)
BATCH_SIZES = (1, 4, 16, 64, 128, 256, 512, 1024, 2048, 4096, 8192)

SCORED = "scored"
REFUSED = "refused"
ABANDONED = "abandoned"
ANY_KIND = "any"


class Metrics:
    """The metrics of one replica; every label takes few values, none of them chosen by a caller.

    An item is counted once in `items`: as `scored`, under the code of the error that left it
    unscored, or, with its whole request, as `refused` or `abandoned` under the kind `any`.
    """

    def __init__(self, *, version: str) -> None:
        self.registry = registry = CollectorRegistry()
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
        self.score = Histogram(
            "reward_score", "Rewards given.", ("kind",), buckets=REWARDS, registry=registry
        )
        self.batch_items = Histogram(
            "reward_batch_items", "Items per request.", buckets=BATCH_SIZES, registry=registry
        )
        self.stage_seconds = Histogram(
            "reward_stage_duration_seconds",
            "Time spent by stage of a request.",
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
        self.steps = Counter(
            "reward_advantage_steps",
            "Requests for a step: taken, replayed, or refused with an error's code.",
            ("outcome",),
            registry=registry,
        )
        self._add_http(registry)
        build = Gauge("reward_build_info", "Always 1.", ("version",), registry=registry)
        build.labels(version).set(1)

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
        self.inflight = Gauge(
            "reward_http_inflight_requests", "Requests being served.", registry=registry
        )

    def follow(self, part: str, usage: Usage) -> None:
        """Show a part's totals and levels, read anew for every scrape."""
        self.registry.register(UsageCollector(part, usage))

    @contextmanager
    def refusing(self, items: int) -> Iterator[None]:
        """Count `items` as refused if this fails, or as abandoned if nobody waits any more."""
        try:
            yield
        except ConnectionError:
            self.items.labels(ANY_KIND, ABANDONED).inc(items)
            raise
        except Exception:
            self.items.labels(ANY_KIND, REFUSED).inc(items)
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

    def count(self, kinds: Sequence[str], verdicts: Sequence[Verdict]) -> None:
        """Count each item of a batch by its kind and what came of it."""
        outcomes: Tally[tuple[str, str]] = Tally()
        well_formed: Tally[str] = Tally()
        scores = {kind: self.score.labels(kind) for kind in set(kinds)}
        for kind, verdict in zip(kinds, verdicts, strict=True):
            well_formed[kind] += verdict.format == 1.0
            if isinstance(verdict, Scored):
                outcomes[kind, SCORED] += 1
                scores[kind].observe(verdict.reward)
            else:
                outcomes[kind, verdict.error.code] += 1
        for labels, number in outcomes.items():
            self.items.labels(*labels).inc(number)
        for kind, number in well_formed.items():
            self.well_formed.labels(kind).inc(number)
        self.batch_items.observe(len(verdicts))
