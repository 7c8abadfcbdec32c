"""The spans of a call, and of what is done for it."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import pytest
from pyarrow import flight

from engine.tracing import Span, SpanContext, begin, send_to
from flight_server.endpoint.calls import Call, CallRegistry


class Kept:
    """An exporter that keeps what it takes at once."""

    takes_texts = False
    sampler = None

    def __init__(self) -> None:
        self.taken: list[list[str]] = []

    def take(self, spans: Sequence[Span]) -> None:
        assert all(span.began <= span.ended for span in spans)
        self.taken.append([span.name for span in spans])


@pytest.fixture
def kept() -> Iterator[Kept]:
    kept = Kept()
    send_to(kept)
    yield kept
    send_to(None)


@pytest.fixture
def registry() -> Iterator[CallRegistry]:
    registry = CallRegistry()
    yield registry
    registry.stop()


def test_the_spans_of_a_call_leave_with_it_and_later_ones_by_themselves(kept: Kept, registry: CallRegistry) -> None:
    span = begin("DoGet", is_server=True)
    call = Call("DoGet", {}, registry, span, span)
    inner = [begin(name, call.trace) for name in ("queue", "run", "late")]
    call.on_end(lambda: call.end_span(inner[1], "UnknownTableError"))
    call.end_span(inner[0], None)
    assert kept.taken == []
    call.finish(flight.FlightUnavailableError("Not now."))
    call.end_span(inner[2], None)
    assert kept.taken == [["queue", "run", "DoGet"], ["late"]]
    assert [each.error for each in (span, *inner)] == [
        "FlightUnavailableError",
        None,
        "UnknownTableError",
        None,
    ]
    assert dict(span.common)["rpc.response.status_code"] == "UNAVAILABLE"


def test_a_call_that_is_not_traced_keeps_no_span(kept: Kept, registry: CallRegistry) -> None:
    around = SpanContext(bytes([1] * 16), bytes([1] * 8), sampled=True)
    call = Call("DoGet", {}, registry, None, around)
    run = begin("run", call.trace)
    call.end_span(run, None)
    call.finish()
    assert kept.taken == [["run"]]


def test_of_a_trace_that_is_not_kept_nothing_leaves(kept: Kept, registry: CallRegistry) -> None:
    span = begin("DoGet", SpanContext(bytes([1] * 16), bytes([1] * 8), sampled=False), is_server=True)
    call = Call("DoGet", {}, registry, span, span)
    run = begin("run", call.trace)
    assert (span.sampled, run.sampled) == (False, False)
    call.finish()
    assert kept.taken == []
