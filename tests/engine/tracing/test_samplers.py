"""Which spans are kept, as OpenTelemetry's samplers say."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from engine.tracing import SpanContext, begin, send_to
from engine.tracing.otlp import OtlpExporter
from tests.harness.collector import run_collector

KEPT, UNKEPT = (SpanContext(bytes([1] * 16), bytes([1] * 8), sampled) for sampled in (True, False))


@contextmanager
def exporting(monkeypatch: pytest.MonkeyPatch, **variables: str) -> Iterator[OtlpExporter]:
    with run_collector() as collector:
        for name, value in collector.variables(**variables).items():
            monkeypatch.setenv(name, value)
        exporter = OtlpExporter("test")
        send_to(exporter)
        try:
            yield exporter
        finally:
            send_to(None)
            exporter.close(20)
        assert exporter.sent_count == len(collector.spans())


@pytest.mark.parametrize(
    ("sampler", "alone", "for_kept", "for_unkept"),
    [
        ("", True, True, False),
        ("parentbased_always_on", True, True, False),
        ("always_on", True, True, True),
        ("always_off", False, False, False),
        ("parentbased_traceidratio", False, True, False),
        ("traceidratio", False, False, False),
    ],
)
def test_what_is_kept(
    monkeypatch: pytest.MonkeyPatch, sampler: str, alone: bool, for_kept: bool, for_unkept: bool
) -> None:
    with exporting(monkeypatch, OTEL_TRACES_SAMPLER=sampler, OTEL_TRACES_SAMPLER_ARG="0") as exporter:
        for parent, kept in ((None, alone), (KEPT, for_kept), (UNKEPT, for_unkept)):
            call = begin("call", parent, is_server=True)
            assert call is not None
            assert call.sampled == kept
            run = begin("run", call)  # what is done for a span is kept as that is
            assert run is not None
            assert (run.sampled, run.trace_id) == (kept, call.trace_id)
            assert run.context == SpanContext(call.trace_id, run.span_id, kept)
            run.end()
            call.end()
    assert (exporter.sent_count, exporter.dropped_count) == (2 * sum((alone, for_kept, for_unkept)), 0)
