"""Spans of traces, for those who have asked for them; nothing is made and nothing imported for those who have not."""

from __future__ import annotations

from engine.tracing.context import SpanContext, context_in
from engine.tracing.spans import Common, Exporter, Span, begin, send_to

__all__ = ["Common", "Exporter", "Span", "SpanContext", "begin", "context_in", "send_to"]
