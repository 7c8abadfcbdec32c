"""Spans as OTLP: what a reader of Protocol Buffers finds in them."""

from __future__ import annotations

from collections.abc import Sequence

import pytest
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest

from engine.tracing import Common, Span, SpanContext, begin, send_to
from engine.tracing.encoding import encode_span, request

TRACE, SPAN = bytes(range(16)), bytes(range(8))


class Kept:
    """An exporter that keeps what it takes."""

    takes_texts = True
    sampler = None

    def __init__(self) -> None:
        self.spans: list[Span] = []

    def take(self, spans: Sequence[Span]) -> None:
        self.spans += spans


def span_of(
    context: SpanContext,
    parent: SpanContext | None = None,
    *,
    name: str = "run",
    is_server: bool = False,
    error: str | None = None,
    common: Common = (),
    **attributes: str | int,
) -> Span:
    kept = Kept()
    send_to(kept)
    span = begin(name, parent, is_server=is_server, at=1_700_000_000_000_000_001)
    send_to(None)
    assert span is not None
    span.trace_id, span.span_id, span.sampled = context.trace_id, context.span_id, context.sampled
    span.common = common
    span.attributes.update(attributes)
    span.end(error, at=1_700_000_000_000_000_999)
    (taken,) = kept.spans
    return taken


def read(*spans: Span) -> ExportTraceServiceRequest:
    return ExportTraceServiceRequest.FromString(request({"service.name": "grism"}, "1.2", map(encode_span, spans)))


def test_the_process_and_its_version_are_told() -> None:
    (process,) = read().resource_spans
    assert [(pair.key, pair.value.string_value) for pair in process.resource.attributes] == [("service.name", "grism")]
    (scope,) = process.scope_spans
    assert (scope.scope.name, scope.scope.version, len(scope.spans)) == ("grism", "1.2", 0)


@pytest.mark.parametrize("byte", [0, 1, 128, 255])
def test_who_a_span_is_and_for_whom(byte: int) -> None:
    trace, identifier, around_identifier = bytes([1, *[byte] * 15]), bytes([*[byte] * 7, 1]), bytes([2, *[byte] * 7])
    around = SpanContext(trace, around_identifier, sampled=True)
    request = read(
        span_of(SpanContext(trace, identifier, sampled=True), name="a"),
        span_of(SpanContext(trace, SPAN, sampled=True), around, is_server=True, error="CancelledError"),
        span_of(SpanContext(trace, SPAN, sampled=True), around),
    )
    root, server, inner = request.resource_spans[0].scope_spans[0].spans
    assert {span.trace_id for span in (root, server, inner)} == {trace}
    assert (root.name, root.span_id, root.parent_span_id) == ("a", identifier, b"")
    assert {span.parent_span_id for span in (server, inner)} == {around_identifier}
    assert [span.kind for span in (root, server, inner)] == [root.SPAN_KIND_INTERNAL, 2, 1]
    assert [span.flags for span in (root, server, inner)] == [0x101, 0x301, 0x101]
    assert [span.status.code for span in (root, server, inner)] == [0, 2, 0]
    assert [(pair.key, pair.value.string_value) for pair in server.attributes] == [("error.type", "CancelledError")]
    assert {(span.start_time_unix_nano, span.end_time_unix_nano) for span in (root, server, inner)} == {
        (1_700_000_000_000_000_001, 1_700_000_000_000_000_999)
    }


def test_what_clients_tell_of_a_trace() -> None:
    around = SpanContext(TRACE, SPAN, sampled=True, state="rojo=00f067aa0ba902b7,congo=t61rcWkgMzE")
    told = read(span_of(around, around), span_of(around)).resource_spans[0].scope_spans[0].spans
    assert [span.trace_state for span in told] == [around.state, ""]


def test_what_spans_have_in_common() -> None:
    context = SpanContext(TRACE, SPAN, sampled=True)
    common = ("db.system.name", "grism"), ("db.operation.name", "SELECT")
    spans = [span_of(context, common=common, rows=3), span_of(context, common=common, error="WorkerLostError")]
    told = read(*spans).resource_spans[0].scope_spans[0].spans
    assert [[(pair.key, pair.value.string_value) for pair in span.attributes[:2]] for span in told] == [[*common]] * 2
    assert (told[0].attributes[2].key, told[0].attributes[2].value.int_value) == ("rows", 3)
    assert (told[1].attributes[2].key, told[1].attributes[2].value.string_value) == ("error.type", "WorkerLostError")


@pytest.mark.parametrize(
    "value", ["", "é" * 63, "x" * 127, "x" * 128, "ü" * 20_000, 0, 1, -1, 127, 128, 2**63 - 1, -(2**63)]
)
def test_attributes_of_any_size(value: str | int) -> None:
    context = SpanContext(TRACE, SPAN, sampled=True)
    spans = [span_of(context, text=value, other="o"), span_of(context, text=value), span_of(context)]
    told = read(*spans).resource_spans[0].scope_spans[0].spans
    kind = "string_value" if isinstance(value, str) else "int_value"
    assert [[(pair.key, pair.value.WhichOneof("value")) for pair in span.attributes] for span in told] == [
        [("text", kind), ("other", "string_value")],
        [("text", kind)],
        [],
    ]
    assert [getattr(span.attributes[0].value, kind) for span in told[:2]] == [value, value]
