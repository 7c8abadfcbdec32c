"""What names a span across processes: the headers `traceparent` and `tracestate` of W3C's Trace Context."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

__all__ = ["SpanContext", "context_in"]

_HEADER = "traceparent"
_FORM = re.compile(r"([0-9a-f]{2})-([0-9a-f]{32})-([0-9a-f]{16})-([0-9a-f]{2})(-.*)?", re.DOTALL)
_SAMPLED = 1
_STATE_HEADER = "tracestate"
_MEMBER = re.compile(r"[a-z0-9][a-z0-9_*/@-]{0,255}=[\x20-\x2b\x2d-\x3c\x3e-\x7e]{0,255}[\x21-\x2b\x2d-\x3c\x3e-\x7e]")
_MOST_MEMBERS = 32


@dataclass(slots=True)
class SpanContext:
    """A span of a trace, by 16 and 8 bytes that are not all zero, and whether the spans of that trace are kept.

    `state` is what tracing systems of its clients have to tell each other of the trace, which is handed on as it came.
    """

    trace_id: bytes
    span_id: bytes
    sampled: bool
    state: str = ""

    @property
    def trace(self) -> str:
        """The trace's id as it is written: 32 hexadecimal digits."""
        return self.trace_id.hex()

    @property
    def header(self) -> str:
        """The value of `traceparent` for whoever works for this span."""
        return f"00-{self.trace_id.hex()}-{self.span_id.hex()}-{int(self.sampled):02x}"

    @classmethod
    def parse(cls, header: str) -> SpanContext | None:
        """What a `traceparent` names; None where it is none. Of later versions the known part is read."""
        found = _FORM.fullmatch(header)
        if found is None or found[1] == "ff" or (found[1] == "00" and found[5]):
            return None
        trace_id, span_id = bytes.fromhex(found[2]), bytes.fromhex(found[3])
        if not any(trace_id) or not any(span_id):
            return None
        return cls(trace_id, span_id, bool(int(found[4], 16) & _SAMPLED))


def context_in(headers: Mapping[str, Sequence[str] | Sequence[bytes]]) -> SpanContext | None:
    """The span for which a call with these headers is made; None where they name none, or several."""
    values = headers.get(_HEADER, ())
    if len(values) != 1:
        return None
    found = SpanContext.parse(_text(values[0]))
    if found is not None and _STATE_HEADER in headers:
        found.state = _state(",".join(map(_text, headers[_STATE_HEADER])))
    return found


def _state(header: str) -> str:
    """The members of a `tracestate`; none where one is malformed, or there are too many, which harms no trace."""
    members = [member for part in header.split(",") if (member := part.strip(" \t"))]
    if len(members) > _MOST_MEMBERS or not all(map(_MEMBER.fullmatch, members)):
        return ""
    return ",".join(members)


def _text(value: str | bytes) -> str:
    return value.decode(errors="replace") if isinstance(value, bytes) else value
