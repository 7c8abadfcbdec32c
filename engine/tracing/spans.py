"""A span: something that was done, from when to when, for which other span, and how it ended.

Spans go to the one exporter of the process, where there is one. Who does something holds on to what `begin` gives, and
ends it, in any thread.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from random import getrandbits
from typing import Protocol

from engine.tracing.context import SpanContext

__all__ = ["Common", "Exporter", "Span", "begin", "send_to"]

Common = tuple[tuple[str, str], ...]
"""Names and values of attributes that many spans have."""


class Exporter(Protocol):
    """Takes spans that have ended. Any thread calls it, and must not be held up."""

    @property
    def takes_texts(self) -> bool:
        """Whether what users have written may be told."""

    @property
    def sampler(self) -> Callable[[str, bytes, SpanContext | None, bool], bool] | None:
        """Whether a span of this name, trace and parent is kept, which is a server's or begins a trace; None where it
        is, unless its client does not keep its own.
        """

    def take(self, spans: Sequence[Span]) -> None:
        """Spans that are kept have ended."""


class Span(SpanContext):
    """What is being done, as `begin` gives it. It ends once; until then its attributes may be set: those that it has in
    `common` with many, and others.

    `error` is the type of what it ended with, None where it ended well. Times are nanoseconds since 1970.
    """

    __slots__ = ("attributes", "began", "common", "ended", "error", "exporter", "is_server", "name", "parent")

    exporter: Exporter
    name: str
    parent: SpanContext | None
    is_server: bool
    common: Common
    attributes: dict[str, str | int]
    error: str | None
    began: int
    ended: int

    @property
    def context(self) -> SpanContext:
        """What names it in other processes."""
        return SpanContext(self.trace_id, self.span_id, self.sampled, self.state)

    def end(self, error: str | None = None, at: int | None = None) -> None:
        """It has ended, now or `at` a time."""
        if self.sampled:
            self.error, self.ended = error, at or time.time_ns()
            self.exporter.take((self,))


_exporter: Exporter | None = None


def send_to(exporter: Exporter | None) -> None:
    """Make spans from here on, for this exporter; or no more."""
    global _exporter
    _exporter = exporter


def begin(
    name: str, parent: SpanContext | None = None, *, is_server: bool = False, at: int | None = None
) -> Span | None:
    """A span that begins now, or began `at` a time; None where nobody wants any. Without a parent it begins a trace."""
    exporter = _exporter
    if exporter is None:
        return None
    span = Span.__new__(Span)  # all is set here: each call makes spans, and to call another function for it costs more
    span.exporter, span.name, span.parent, span.is_server = exporter, name, parent, is_server
    span.span_id = (getrandbits(64) or 1).to_bytes(8, "big")  # not all zero
    if parent is None:
        span.trace_id, span.sampled, span.state = (getrandbits(128) or 1).to_bytes(16, "big"), True, ""
    else:
        span.trace_id, span.sampled, span.state = parent.trace_id, parent.sampled, parent.state
    if exporter.sampler is not None and (is_server or parent is None):
        span.sampled = exporter.sampler(name, span.trace_id, parent, is_server)
    span.common, span.attributes, span.error = (), {}, None
    span.began, span.ended = at or time.time_ns(), 0
    return span
