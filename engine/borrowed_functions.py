"""Functions of other dialects that programs write by themselves, and nobody can tell them not to."""

from __future__ import annotations

from typing import Any

__all__ = ["install"]

_MACROS = {
    # What Grafana's Flight SQL plugin makes of `$__dateBin(column)`.
    "date_bin": "(stride, source, origin) AS time_bucket(stride, source, origin)",
}


def install(database: Any) -> None:
    """Make them known, for all connections of a kernel's instance."""
    for name, definition in _MACROS.items():
        database.execute(f"CREATE MACRO {name}{definition}")
