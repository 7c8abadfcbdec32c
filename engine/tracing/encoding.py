"""Spans as the protocol OTLP has them."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from functools import lru_cache

from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from opentelemetry.proto.common.v1.common_pb2 import AnyValue, InstrumentationScope, KeyValue
from opentelemetry.proto.resource.v1.resource_pb2 import Resource
from opentelemetry.proto.trace.v1 import trace_pb2

from engine.tracing.spans import Span

__all__ = ["encode"]

_KINDS = {True: trace_pb2.Span.SPAN_KIND_SERVER, False: trace_pb2.Span.SPAN_KIND_INTERNAL}
_FAILED = trace_pb2.Status(code=trace_pb2.Status.STATUS_CODE_ERROR)
_KNOWS_REMOTE = trace_pb2.SPAN_FLAGS_CONTEXT_HAS_IS_REMOTE_MASK
_IS_REMOTE = _KNOWS_REMOTE | trace_pb2.SPAN_FLAGS_CONTEXT_IS_REMOTE_MASK


def encode(resource: Mapping[str, str], version: str, spans: Iterable[Span]) -> bytes:
    """The request by which a process of this resource sends spans of a version of grism."""
    request = ExportTraceServiceRequest()
    process = request.resource_spans.add(resource=Resource(attributes=_attributes(resource)))
    scope = process.scope_spans.add(scope=InstrumentationScope(name="grism", version=version))
    for span in spans:
        _add(scope, span)
    return request.SerializeToString()


def _add(scope: trace_pb2.ScopeSpans, span: Span) -> None:
    context, parent = span.context, span.parent
    added = scope.spans.add(
        trace_id=context.trace_id.to_bytes(16, "big"),
        span_id=context.span_id.to_bytes(8, "big"),
        name=span.name,
        kind=_KINDS[span.is_server],
        start_time_unix_nano=span.began,
        end_time_unix_nano=span.ended,
        flags=context.sampled | (_IS_REMOTE if span.is_server and parent else _KNOWS_REMOTE),
    )
    if parent is not None:
        added.parent_span_id = parent.span_id.to_bytes(8, "big")
    if span.error is not None:
        added.status.CopyFrom(_FAILED)
        added.attributes.append(_attribute("error.type", span.error))
    added.attributes.extend(_attributes(span.attributes))


def _attributes(named: Mapping[str, str | int]) -> list[KeyValue]:
    return [_attribute(name, value) for name, value in named.items()]


@lru_cache(1024)
def _attribute(name: str, value: str | int) -> KeyValue:
    """Most are the same for many spans; to make one costs as much as half a span."""
    return KeyValue(
        key=name, value=AnyValue(string_value=value) if isinstance(value, str) else AnyValue(int_value=value)
    )
