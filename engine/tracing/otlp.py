"""Spans leave by OTLP over HTTP, as the variables of OpenTelemetry say: where to, as whom, and how many.

The samplers and what tells of the process are OpenTelemetry's. Its spans and its exporter are not used: for a query of
some milliseconds they take a tenth of its time. A collector that does not answer costs spans, and nobody time.
"""

from __future__ import annotations

import logging
import os
from importlib.metadata import version

from opentelemetry.context import Context
from opentelemetry.sdk.resources import OTELResourceDetector
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.sampling import DEFAULT_ON, Decision
from opentelemetry.trace import NonRecordingSpan, SpanKind, TraceFlags, TraceState, set_span_in_context
from opentelemetry.trace import SpanContext as OtelContext

from engine.batches import BatchLimits, BatchQueue, PartlyLostError
from engine.tracing.context import SpanContext
from engine.tracing.encoding import encode_span, rejected, request
from engine.tracing.sending import OtlpSender
from engine.tracing.spans import Span

__all__ = ["OtlpExporter"]

_log = logging.getLogger("grism.traces")
_FLAGS = {True: TraceFlags(TraceFlags.SAMPLED), False: TraceFlags(TraceFlags.DEFAULT)}
_NOTHING = Context()
_LONGEST_REASON = 200  # characters
_SDK = {"telemetry.sdk.language": "python", "telemetry.sdk.name": "opentelemetry"}


class OtlpExporter:
    """Sends spans as those of this `instance` of the service ``grism``, where the variables do not say otherwise.

    It begins a thread. Close it. Raises ValueError for variables that it cannot follow.
    """

    def __init__(self, instance: str, takes_texts: bool = False) -> None:
        self.takes_texts = takes_texts
        self._version = version("grism")
        ours = {"service.name": "grism", "service.version": self._version, "service.instance.id": instance}
        told = OTELResourceDetector().detect().attributes
        sdk = {**_SDK, "telemetry.sdk.version": version("opentelemetry-sdk")}
        self._resource = {**sdk, **ours, **{name: str(value) for name, value in told.items()}}
        self._sampler = TracerProvider(shutdown_on_exit=False).sampler
        self.sampler = None if self._sampler is DEFAULT_ON else self._samples  # the usual one need not be asked
        self._sender = OtlpSender()
        limits = BatchLimits(
            items=_number("OTEL_BSP_MAX_EXPORT_BATCH_SIZE", 512),
            seconds=_number("OTEL_BSP_SCHEDULE_DELAY", 5000) / 1000,
            waiting=_number("OTEL_BSP_MAX_QUEUE_SIZE", 2048),
        )
        self._queue: BatchQueue[Span] = BatchQueue("traces", self._send, _tell, limits)
        # Spans are encoded with the others of their batch: calls are not held up by it, and code that runs for hundreds
        # of spans at once takes a quarter of the time for each.
        self.take = self._queue.put

    @property
    def sent_count(self) -> int:
        """How many spans have left."""
        return self._queue.written

    @property
    def dropped_count(self) -> int:
        """How many are lost: too many waited, or the collector did not take them."""
        return self._queue.dropped

    def close(self, seconds: float) -> None:
        """Send what is kept, within so many seconds; what has not left then is lost."""
        self._queue.close(seconds)

    def _samples(self, name: str, trace_id: bytes, parent: SpanContext | None, is_server: bool) -> bool:
        around = _NOTHING
        if parent is not None:
            numbers = int.from_bytes(parent.trace_id, "big"), int.from_bytes(parent.span_id, "big")
            state = TraceState.from_header([parent.state])
            remote = OtelContext(*numbers, True, _FLAGS[parent.sampled], state)
            around = set_span_in_context(NonRecordingSpan(remote), _NOTHING)
        kind = SpanKind.SERVER if is_server else SpanKind.INTERNAL
        number = int.from_bytes(trace_id, "big")
        return self._sampler.should_sample(around, number, name, kind).decision is Decision.RECORD_AND_SAMPLE

    def _send(self, spans: list[Span]) -> None:
        answer = self._sender.send(request(self._resource, self._version, map(encode_span, spans)))
        lost, why = rejected(answer)
        if lost > 0:
            raise PartlyLostError(lost, f"the collector refused {lost} of {len(spans)}: {why[:_LONGEST_REASON]}")


def _number(name: str, default: int) -> int:
    text = os.environ.get(name) or str(default)
    if not text.isdecimal() or int(text) < 1:
        raise ValueError(f"{name} is {text!r}; it takes a whole number above zero.")
    return int(text)


def _tell(lost: int, error: Exception | None) -> None:
    why = "too many waited" if error is None else str(error)
    _log.warning("spans were lost", extra={"fields": {"spans": lost, "error": why}})
