"""An OpenTelemetry collector that keeps what it is sent, on a real socket."""

import gzip
import threading
import time
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Self

from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import (
    ExportTraceServiceRequest,
    ExportTraceServiceResponse,
)

WITHIN_S = 30.0


@dataclass
class Collector:
    """Takes spans by OTLP/HTTP; `spans` are those that came so far."""

    spans: list = field(default_factory=list)
    resources: list = field(default_factory=list)
    paths: set = field(default_factory=set)

    def __enter__(self) -> Self:
        outer = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self):
                outer.take(self)

            def log_message(self, *_):
                """Say nothing."""

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self._thread = threading.Thread(target=self._server.serve_forever, daemon=True)
        self._thread.start()
        return self

    def __exit__(self, *_) -> None:
        self._server.shutdown()
        self._thread.join()
        self._server.server_close()

    @property
    def url(self) -> str:
        """Where it listens."""
        return f"http://127.0.0.1:{self._server.server_address[1]}"

    def take(self, handler) -> None:
        """Keep the spans of one export."""
        body = handler.rfile.read(int(handler.headers["Content-Length"]))
        if handler.headers.get("Content-Encoding") == "gzip":
            body = gzip.decompress(body)
        export = ExportTraceServiceRequest.FromString(body)
        self.paths.add(handler.path)
        for resource in export.resource_spans:
            self.resources.append(attributes(resource.resource))
            for scope in resource.scope_spans:
                self.spans.extend(scope.spans)
        answer = ExportTraceServiceResponse().SerializeToString()
        handler.send_response(200)
        handler.send_header("Content-Type", "application/x-protobuf")
        handler.send_header("Content-Length", str(len(answer)))
        handler.end_headers()
        handler.wfile.write(answer)

    def trace(self, trace_id: str, *, spans: int) -> list:
        """The spans of one trace, once so many have come."""
        limit = time.monotonic() + WITHIN_S
        while len(found := [s for s in self.spans if s.trace_id.hex() == trace_id]) < spans:
            assert time.monotonic() < limit, f"only {[span.name for span in found]} came"
            time.sleep(0.02)
        return found


def attributes(holder) -> dict:
    """The attributes of a span or a resource, as plain values."""
    return {one.key: getattr(one.value, one.value.WhichOneof("value")) for one in holder.attributes}
