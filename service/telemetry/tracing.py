"""Traces for an OpenTelemetry collector: a span for each request, and one for each of its stages.

Only imported where a collector is configured.
"""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from http import HTTPStatus
from urllib.parse import urlsplit

from opentelemetry import trace
from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor
from opentelemetry.trace.propagation.tracecontext import TraceContextTextMapPropagator

SERVICE = "reward-service"
DEFAULT_PATH = "/v1/traces"
PATIENCE_S = 3.0
PROPAGATOR = TraceContextTextMapPropagator()


class OpenTelemetry:
    """Sends spans to the collector at `url` over OTLP/HTTP, in batches, from a thread of its own.

    Without a path in the URL the standard one is meant. A collector that is away costs its spans
    and nothing else. Spans carry names, numbers and the names of errors, never a payload.
    """

    def __init__(self, url: str, *, version: str) -> None:
        endpoint = url if urlsplit(url).path.strip("/") else url.rstrip("/") + DEFAULT_PATH
        resource = Resource.create({"service.name": SERVICE, "service.version": version})
        self._provider = TracerProvider(resource=resource, shutdown_on_exit=False)
        exporter = OTLPSpanExporter(endpoint=endpoint, timeout=PATIENCE_S)
        self._provider.add_span_processor(BatchSpanProcessor(exporter))
        self._tracer = self._provider.get_tracer(SERVICE)

    @contextmanager
    def request(self, headers: Mapping[str, str]) -> Iterator["RequestSpan"]:
        """A span around a request, within the trace that its `traceparent` names, if it does."""
        span = self._tracer.start_span(
            "request", context=PROPAGATOR.extract(headers), kind=trace.SpanKind.SERVER
        )
        with trace.use_span(span, end_on_exit=True, record_exception=False):
            yield RequestSpan(span)

    @contextmanager
    def stage(self, name: str) -> Iterator[None]:
        """A span around a stage of the request that is served; nothing outside of requests."""
        if not trace.get_current_span().get_span_context().is_valid:
            yield
            return
        with self._tracer.start_as_current_span(
            name, record_exception=False, set_status_on_exception=False
        ) as span:
            try:
                yield
            except BaseException as error:
                span.set_attribute("error.type", type(error).__qualname__)
                span.set_status(trace.StatusCode.ERROR)
                raise

    def close(self) -> None:
        """Send what is left, if the collector takes it in time."""
        self._provider.shutdown()


class RequestSpan:
    """The span of a request that is being served."""

    def __init__(self, span: trace.Span) -> None:
        self._span = span
        self.trace_id = trace.format_trace_id(span.get_span_context().trace_id)

    def describe(self, *, method: str, route: str, status: int) -> None:
        """Say what was asked and how it was answered; both label and route are templates."""
        self._span.update_name(f"{method} {route}")
        self._span.set_attributes(
            {
                "http.request.method": method,
                "http.route": route,
                "http.response.status_code": status,
            }
        )
        if status >= HTTPStatus.INTERNAL_SERVER_ERROR:
            self._span.set_status(trace.StatusCode.ERROR)
