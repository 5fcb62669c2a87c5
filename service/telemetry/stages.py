"""The stages of a request, timed wherever they are, and traced where somebody collects traces."""

import time
from collections.abc import Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager, nullcontext
from typing import Protocol

from service.telemetry.metrics import Metrics

UNTRACED = nullcontext()


class Span(Protocol):
    """What is known of a traced request."""

    @property
    def trace_id(self) -> str:
        """The trace that the request belongs to, in hexadecimal."""
        ...

    def describe(self, *, method: str, route: str, status: int) -> None:
        """Say what was asked and how it was answered."""
        ...


class Tracing(Protocol):
    """Whoever collects spans."""

    def request(self, headers: Mapping[str, str]) -> AbstractContextManager[Span]:
        """A span around a request."""
        ...

    def stage(self, name: str) -> AbstractContextManager[None]:
        """A span around a stage of the request that is served."""
        ...


class Stages:
    """Times stages by name: `with stages("parse"): …`; with `tracing` each is a span too."""

    def __init__(self, metrics: Metrics, tracing: Tracing | None = None) -> None:
        self.tracing = tracing
        self._seconds = metrics.stage_seconds
        self._store_seconds = metrics.store_seconds
        self._store_failures = metrics.store_failures

    @contextmanager
    def __call__(self, name: str) -> Iterator[None]:
        """Time what is done inside, whether it succeeds or not."""
        began = time.perf_counter()
        try:
            with self._span(name):
                yield
        finally:
            self._seconds.labels(name).observe(time.perf_counter() - began)

    @contextmanager
    def store(self, operation: str) -> Iterator[None]:
        """Time what the run store is asked for, and count where it fails."""
        began = time.perf_counter()
        try:
            with self._span(f"state.{operation}"):
                yield
        except Exception:
            self._store_failures.labels(operation).inc()
            raise
        finally:
            self._store_seconds.labels(operation).observe(time.perf_counter() - began)

    def _span(self, name: str) -> AbstractContextManager[None]:
        return self.tracing.stage(name) if self.tracing else UNTRACED
