"""A span: something that was done, from when to when, for which other span, and how it ended.

Spans go to the one exporter of the process, where there is one. Who does something holds on to what `begin` gives, and
ends it, in any thread.
"""

from __future__ import annotations

import time
from typing import Protocol

from engine.tracing.context import SpanContext

__all__ = ["Exporter", "Span", "begin", "send_to"]


class Exporter(Protocol):
    """Takes spans that have ended. Any thread calls it, and must not be held up."""

    @property
    def takes_texts(self) -> bool:
        """Whether what users have written may be told."""

    def name(self, span: str, parent: SpanContext | None, is_server: bool) -> SpanContext:
        """The context of a new span, with whether it is kept."""

    def take(self, span: Span) -> None:
        """A span that is kept has ended."""


class Span:
    """What is being done. It may `end` once; `attributes` may be set until then.

    `error` is the type of what it ended with, None where it ended well. Times are nanoseconds since 1970.
    """

    __slots__ = ("_exporter", "attributes", "began", "context", "ended", "error", "is_server", "name", "parent")

    def __init__(
        self,
        exporter: Exporter,
        name: str,
        context: SpanContext,
        parent: SpanContext | None,
        is_server: bool,
        began: int,
    ) -> None:
        self._exporter = exporter
        self.name, self.context, self.parent, self.is_server = name, context, parent, is_server
        self.attributes: dict[str, str | int] = {}
        self.error: str | None = None
        self.began, self.ended = began, 0

    @property
    def takes_texts(self) -> bool:
        """Whether what users have written may stand in the attributes."""
        return self._exporter.takes_texts

    def end(self, error: str | None = None, at: int | None = None) -> None:
        """It has ended, now or `at` a time."""
        if self.context.sampled:
            self.error, self.ended = error, at or time.time_ns()
            self._exporter.take(self)


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
    return Span(exporter, name, exporter.name(name, parent, is_server), parent, is_server, at or time.time_ns())
