"""What relations about the catalog are made of: rows that tell what it is when one is named."""

from __future__ import annotations

import re
from collections.abc import Callable, Hashable, Iterable, Iterator, Mapping, Sequence, Set
from functools import lru_cache
from typing import Any, Protocol

import pyarrow as pa

from engine.kernel import quote
from engine.sql.shown_columns import ShownColumn
from engine.sql.views import View
from engine.storage.indexes import StoredIndex
from engine.storage.protocol import TableName

__all__ = [
    "Content",
    "Facts",
    "Row",
    "Value",
    "column_versions",
    "table_of",
    "told_columns",
    "type_row",
    "view_text",
]

Value = str | int | bool | None | list[str] | list[int] | Mapping[str, str]
Row = dict[str, Value]

_TYPES = {
    "": pa.string(),
    "INTEGER": pa.int32(),
    "BIGINT": pa.int64(),
    "BOOLEAN": pa.bool_(),
    "MAP": pa.map_(pa.string(), pa.string()),
    "BIGINTS": pa.list_(pa.int64()),
    "TEXTS": pa.list_(pa.string()),
}
_BITS = {"TINYINT": 8, "SMALLINT": 16, "INTEGER": 32, "BIGINT": 64, "HUGEINT": 128}
_EXACT = _BITS | {f"U{name}": bits for name, bits in _BITS.items()}
_APPROXIMATE = {"FLOAT": 24, "DOUBLE": 53}
_DECIMAL = re.compile(r"DECIMAL\((\d+),\s*(\d+)\)")


class Facts(Protocol):
    """The catalog as one session sees it in one snapshot."""

    def schemas(self) -> Sequence[str]:
        """The names of the schemas."""

    def relations(self) -> Sequence[tuple[TableName, str]]:
        """Tables and views, with their types."""

    def read_only(self) -> Set[TableName]:
        """The tables that cannot be written to."""

    def columns(self, name: TableName, kind: str) -> tuple[ShownColumn, ...]:
        """The columns of a table or view; none where they cannot be read."""

    def version(self, name: TableName, kind: str) -> Hashable:
        """What stays the same for as long as the columns do."""

    def rows(self, name: TableName) -> int | None:
        """How many rows a table has; None where that is not known."""

    def indexes(self, name: TableName) -> Sequence[StoredIndex]:
        """The indexes of a table; none where they cannot be read."""

    def views(self) -> Sequence[View]:
        """The views."""

    def settings(self) -> Mapping[str, str | bool | int | float]:
        """The settings of the session, by name."""


class Content:
    """What the rows of a relation tell of, the row of each, and what stays the same for as long as they do."""

    def __init__(
        self,
        ask: Callable[[Facts], Iterable[Any]],
        row: Callable[[Any], Row],
        versions: Callable[[Facts], Iterable[Hashable]] | None = None,
    ) -> None:
        self.ask, self.row, self.versions = ask, row, versions or ask


def column_versions(facts: Facts) -> Iterator[tuple[TableName, Hashable]]:
    """The versions of all relations, for what tells of their columns."""
    for name, kind in facts.relations():
        yield name, facts.version(name, kind)


def told_columns(facts: Facts) -> Iterator[tuple[TableName, int, ShownColumn]]:
    """All columns, each with its table and its position, from 1."""
    for name, kind in facts.relations():
        for position, column in enumerate(facts.columns(name, kind), start=1):
            yield name, position, column


@lru_cache(maxsize=1024)
def type_row(kind: str) -> Row:
    """What a type's name says of it."""
    decimal = _DECIMAL.fullmatch(kind)
    precision: Value = _EXACT.get(kind) or _APPROXIMATE.get(kind)
    radix: Value = None if precision is None else 2
    scale: Value = 0 if kind in _EXACT else None
    if decimal is not None:
        precision, radix, scale = int(decimal[1]), 10, int(decimal[2])
    return {
        "data_type": kind,
        "numeric_precision": precision,
        "numeric_precision_radix": radix,
        "numeric_scale": scale,
    }


def view_text(view: View) -> str:
    """The statement that would make a view."""
    columns = f" ({', '.join(map(quote, view.columns))})" if view.columns else ""
    if view.before:
        return f"CREATE TEMP VIEW {quote(view.name.table)}{columns} AS {view.query};"
    return f"CREATE VIEW {quote(view.name.schema)}.{quote(view.name.table)}{columns} AS {view.query};"


def table_of(layout: Sequence[str], rows: Sequence[Row]) -> pa.Table:
    """The rows as Arrow, in the columns of a layout (``name``, or ``name:TYPE``); what they do not tell is NULL."""
    columns = {}
    for entry in layout:
        name, _, kind = entry.partition(":")
        told = [row[name] for row in rows] if rows and name in rows[0] else None
        columns[name] = pa.nulls(len(rows), _TYPES[kind]) if told is None else pa.array(told, _TYPES[kind])
    return pa.table(columns)
