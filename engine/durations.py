"""Durations as people write them."""

from __future__ import annotations

import re
from datetime import timedelta

__all__ = ["parse_duration", "parse_retention"]

_UNITS = {"second": 1, "minute": 60, "hour": 3600, "day": 86400, "week": 604800}
_RETENTION = re.compile(r"\s*+([0-9]{1,9})\s*+(second|minute|hour|day|week)s?+\s*+", re.IGNORECASE)
_SECONDS = {"ms": 0.001, "": 1, "s": 1, "m": 60, "h": 3600, "d": 86400}


def parse_duration(text: str) -> float:
    """Seconds from a text such as ``30``, ``500ms``, ``30s``, ``5m`` or ``2h``; ValueError otherwise."""
    found = re.fullmatch(r"\s*+(\d++(?:\.\d++)?)\s*+(ms|s|m|h|d|)\s*+", text, re.IGNORECASE)
    if found is None:
        raise ValueError("a duration such as 500ms, 30s, 5m or 2h")
    return float(found[1]) * _SECONDS[found[2].lower()]


def parse_retention(text: str) -> timedelta:
    """A time from a text such as ``7 days``; ValueError otherwise."""
    found = _RETENTION.fullmatch(text)
    if found is None:
        raise ValueError("a whole number of seconds, minutes, hours, days or weeks, such as '7 days'")
    try:
        return timedelta(seconds=int(found[1]) * _UNITS[found[2].lower()])
    except OverflowError:
        raise ValueError("less than a thousand million days") from None
