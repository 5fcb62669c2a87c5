"""The stages of a request, timed wherever they are."""

import time
from collections.abc import Iterator
from contextlib import contextmanager

from service.telemetry.metrics import Metrics


class Stages:
    """Times stages by name: `with stages("parse"): …`."""

    def __init__(self, metrics: Metrics) -> None:
        self._seconds = metrics.stage_seconds
        self._store_seconds = metrics.store_seconds
        self._store_failures = metrics.store_failures

    @contextmanager
    def __call__(self, name: str) -> Iterator[None]:
        """Time what is done inside, whether it succeeds or not."""
        began = time.perf_counter()
        try:
            yield
        finally:
            self._seconds.labels(name).observe(time.perf_counter() - began)

    @contextmanager
    def store(self, operation: str) -> Iterator[None]:
        """Time what the run store is asked for, and count where it fails."""
        began = time.perf_counter()
        try:
            yield
        except Exception:
            self._store_failures.labels(operation).inc()
            raise
        finally:
            self._store_seconds.labels(operation).observe(time.perf_counter() - began)
