"""The names that are drawn: few, so that columns, tables, aliases and the names of plans meet each other."""

from __future__ import annotations

import re

__all__ = ["COLUMNS", "RELATIONS", "TABLES", "spell"]

TABLES = ("t", "a", "b", "Odd Table")
COLUMNS = ("k", "v", "x", "t", "a", "b", "c0", "__key1", "__t0", "__row", "K b", "select", "s", "count", "c1")
RELATIONS = ("t", "a", "b", "k", "v", "x", "c0", "r", "q", "K b", "__t0", "__key1", "s", "Odd Table")

_PLAIN = re.compile(r"[a-z_][a-z0-9_]*")
_RESERVED = frozenset({"select"})


def spell(name: str, style: int = 0) -> str:
    """The name as an identifier: plain (0) where that may be, in capitals (1) or quoted (2)."""
    if style == 2 or name in _RESERVED or not _PLAIN.fullmatch(name):
        return '"' + name.replace('"', '""') + '"'
    return name.upper() if style == 1 else name
