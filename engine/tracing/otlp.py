"""Spans leave by OTLP over HTTP, as the variables of OpenTelemetry say: where to, as whom, and how many.

The samplers, the batches and the protocol are those of OpenTelemetry's SDK. Its spans are made of ours when these have
ended: to record one of its own costs ten times as much. A collector that does not answer costs spans, and nobody time.
"""

from __future__ import annotations

import logging
import threading
import time
from importlib.metadata import version

from opentelemetry.context import Context
from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
from opentelemetry.sdk.resources import OTELResourceDetector, Resource
from opentelemetry.sdk.trace import ReadableSpan, TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor
from opentelemetry.sdk.trace.id_generator import RandomIdGenerator
from opentelemetry.sdk.trace.sampling import Decision
from opentelemetry.sdk.util.instrumentation import InstrumentationScope
from opentelemetry.trace import (
    NonRecordingSpan,
    SpanKind,
    Status,
    StatusCode,
    TraceFlags,
    set_span_in_context,
)
from opentelemetry.trace import SpanContext as OtelContext

from engine.tracing.context import SpanContext
from engine.tracing.spans import Span

__all__ = ["OtlpExporter"]

_FLAGS = {True: TraceFlags(TraceFlags.SAMPLED), False: TraceFlags(TraceFlags.DEFAULT)}
_KINDS = {True: SpanKind.SERVER, False: SpanKind.INTERNAL}
_WELL, _BADLY = Status(StatusCode.UNSET), Status(StatusCode.ERROR)
_NOTHING = Context()
_SDK = {
    "telemetry.sdk.language": "python",
    "telemetry.sdk.name": "opentelemetry",
    "telemetry.sdk.version": version("opentelemetry-sdk"),
}
_TOLD_EVERY = 60.0  # seconds
_LOGGERS = ("opentelemetry.exporter.otlp.proto.http.trace_exporter", "opentelemetry.sdk._shared_internal")
"""They tell of each batch that does not leave, and of each span that there is no room for."""


class OtlpExporter:
    """Sends spans as those of this `instance` of the service ``grism``, where the variables do not say otherwise.

    It begins a thread. Close it.
    """

    def __init__(self, instance: str, takes_texts: bool = False) -> None:
        self.takes_texts = takes_texts
        ours = {"service.name": "grism", "service.version": version("grism"), "service.instance.id": instance}
        self._resource = _OneResource(Resource(ours | _SDK).merge(OTELResourceDetector().detect()))
        self._sampler = TracerProvider(resource=self._resource, shutdown_on_exit=False).sampler
        self._processor = BatchSpanProcessor(OTLPSpanExporter())
        self._scope = InstrumentationScope("grism", version("grism"))
        self._ids = RandomIdGenerator()
        for name in _LOGGERS:
            logging.getLogger(name).addFilter(_Seldom())

    def name(self, span: str, parent: SpanContext | None, is_server: bool) -> SpanContext:
        """A new context. What is done here for a span of ours is kept as that is; of others the sampler decides."""
        span_id = self._ids.generate_span_id()
        if parent is not None and not is_server:
            return SpanContext(parent.trace_id, span_id, parent.sampled)
        trace_id = self._ids.generate_trace_id() if parent is None else parent.trace_id
        around = _NOTHING if parent is None else set_span_in_context(NonRecordingSpan(_context(parent, True)), _NOTHING)
        decision = self._sampler.should_sample(around, trace_id, span, _KINDS[is_server]).decision
        return SpanContext(trace_id, span_id, decision is Decision.RECORD_AND_SAMPLE)

    def take(self, span: Span) -> None:
        """Keep a span until the next batch leaves."""
        if span.error is not None:
            span.attributes["error.type"] = span.error
        self._processor.on_end(
            ReadableSpan(
                span.name,
                _context(span.context),
                None if span.parent is None else _context(span.parent, span.is_server),
                self._resource,
                span.attributes,
                kind=_KINDS[span.is_server],
                status=_WELL if span.error is None else _BADLY,
                start_time=span.began,
                end_time=span.ended,
                instrumentation_scope=self._scope,
            )
        )

    def flush(self) -> None:
        """Send what is kept, now. Where the collector does not answer that takes as long as OpenTelemetry tries."""
        self._processor.force_flush()

    def close(self, seconds: float) -> None:
        """Send what is kept, within so many seconds; what has not left then is lost."""
        closer = threading.Thread(target=self._processor.shutdown, name="trace-shutdown", daemon=True)
        closer.start()
        closer.join(seconds)


def _context(context: SpanContext, is_remote: bool = False) -> OtelContext:
    return OtelContext(context.trace_id, context.span_id, is_remote, _FLAGS[context.sampled])


class _OneResource(Resource):
    """The only resource of a process, by which its spans are put together: as text, it would be put together from its
    attributes anew for each."""

    def __init__(self, resource: Resource) -> None:
        super().__init__(resource.attributes, resource.schema_url)

    def __hash__(self) -> int:
        return id(self)

    def __eq__(self, other: object) -> bool:
        return self is other


class _Seldom(logging.Filter):
    """Lets through what OpenTelemetry says of a collector that does not answer, but not every few seconds."""

    def __init__(self) -> None:
        super().__init__()
        self._next = 0.0

    def filter(self, record: logging.LogRecord) -> bool:
        """Whether a minute has passed since the last record."""
        del record
        now = time.monotonic()
        if now < self._next:
            return False
        self._next = now + _TOLD_EVERY
        return True
