"""The spans of a query: its wait for a turn, where there is one, and then its run; or its planning."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from engine.tracing import Span, SpanContext, begin
from flight_server.endpoint.calls import Call

__all__ = ["QuerySpans"]


class QuerySpans:
    """One span after the other, below that of a call."""

    def __init__(self, call: Call) -> None:
        self._call = call
        self._now: Span | None = None

    @property
    def context(self) -> SpanContext | None:
        """The span for which works who works for the query now."""
        return self._now or self._call.trace

    @property
    def trace(self) -> str | None:
        """The id of the trace, which also is there where only the client makes spans."""
        around = self._call.trace
        return None if around is None else around.trace_id.hex()

    def begin(self, name: str, at: int | None = None) -> None:
        """What was done until now is over, and the next begins, or began `at` a time."""
        if self._now is not None:
            self.end()
        self._now = begin(name, self._call.trace, at=at)

    def end(
        self,
        error: str | None = None,
        describe: Callable[[Span, Mapping[str, Any] | None], None] | None = None,
        row: Mapping[str, Any] | None = None,
    ) -> None:
        """What was done until now is over, by an error of this type if there was one; `describe` tells more of it, by
        its row in ``system.queries`` where there is one.
        """
        span, self._now = self._now, None
        if span is None:
            return
        if span.sampled:
            if describe is not None:
                describe(span, row)
            self._call.end_span(span, error)
