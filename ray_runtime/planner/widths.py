"""How many bytes a value takes in Arrow memory, roughly."""

from __future__ import annotations

__all__ = ["width"]

_WIDTHS = {"BOOLEAN": 1, "TINYINT": 1, "SMALLINT": 2, "INTEGER": 4, "DATE": 4, "FLOAT": 4, "BIGINT": 8, "DOUBLE": 8}


def width(kind: str) -> float:
    """Bytes of a value of this kernel type, roughly."""
    if kind.startswith("DECIMAL") or kind in ("HUGEINT", "UHUGEINT", "UUID", "INTERVAL"):
        return 16
    return float(_WIDTHS.get(kind, 8 if kind.startswith(("TIME", "U")) else 32))
