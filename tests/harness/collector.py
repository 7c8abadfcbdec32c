"""A collector of traces: takes spans by OTLP over HTTP, as the collectors of OpenTelemetry do."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
    from opentelemetry.proto.common.v1.common_pb2 import KeyValue

__all__ = ["Collected", "Collector", "run_collector"]


@dataclass(frozen=True)
class Collected:
    """A span that has arrived, with what stands of the process that sent it in `resource`. Ids are hexadecimal."""

    name: str
    trace: str
    id: str
    parent: str
    kind: int
    failed: bool
    began: int
    ended: int
    state: str
    attributes: dict[str, Any]
    resource: dict[str, Any]


class Collector:
    """What has arrived so far at `endpoint`."""

    def __init__(self, port: int) -> None:
        self.endpoint = f"http://127.0.0.1:{port}"
        self.requests = 0
        self._lock = threading.Lock()
        self._spans: list[Collected] = []

    def variables(self, **more: str) -> dict[str, str]:
        """Variables of OpenTelemetry by which spans are sent here, soon after they have ended."""
        return {"OTEL_EXPORTER_OTLP_ENDPOINT": self.endpoint, "OTEL_BSP_SCHEDULE_DELAY": "50", **more}

    def take(self, request: ExportTraceServiceRequest) -> None:
        """Spans arrive."""
        with self._lock:
            self.requests += 1
            for process in request.resource_spans:
                resource = _plain(process.resource.attributes)
                self._spans += [
                    Collected(
                        span.name,
                        span.trace_id.hex(),
                        span.span_id.hex(),
                        span.parent_span_id.hex(),
                        span.kind,
                        span.status.code == span.status.STATUS_CODE_ERROR,
                        span.start_time_unix_nano,
                        span.end_time_unix_nano,
                        span.trace_state,
                        _plain(span.attributes),
                        resource,
                    )
                    for scope in process.scope_spans
                    for span in scope.spans
                ]

    def spans(self, trace: str | None = None) -> list[Collected]:
        """The spans of a trace, or all, in the order in which they began."""
        with self._lock:
            return sorted((s for s in self._spans if trace in (None, s.trace)), key=lambda span: span.began)


@contextmanager
def run_collector() -> Iterator[Collector]:
    """A collector on a free port of the loopback device."""
    from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["content-length"]))
            if self.path == "/v1/traces":
                collector.take(ExportTraceServiceRequest.FromString(body))
            self.send_response(200 if self.path == "/v1/traces" else 404)
            self.send_header("content-length", "0")
            self.end_headers()

        def log_message(self, *_: object) -> None:
            """Tell nobody."""

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        collector = Collector(server.server_port)
        thread = threading.Thread(target=server.serve_forever, name="collector")
        thread.start()
        yield collector
        server.shutdown()
        thread.join()


def _plain(attributes: Any) -> dict[str, Any]:
    def value(pair: KeyValue) -> Any:
        return getattr(pair.value, str(pair.value.WhichOneof("value")))

    return {pair.key: value(pair) for pair in attributes}
