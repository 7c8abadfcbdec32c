"""Durations as people write them."""

from __future__ import annotations

import re

__all__ = ["parse_duration"]

_SECONDS = {"ms": 0.001, "": 1, "s": 1, "m": 60, "h": 3600, "d": 86400}


def parse_duration(text: str) -> float:
    """Seconds from a text such as ``30``, ``500ms``, ``30s``, ``5m`` or ``2h``; ValueError otherwise."""
    found = re.fullmatch(r"\s*+(\d++(?:\.\d++)?)\s*+(ms|s|m|h|d|)\s*+", text, re.IGNORECASE)
    if found is None:
        raise ValueError("a duration such as 500ms, 30s, 5m or 2h")
    return float(found[1]) * _SECONDS[found[2].lower()]
