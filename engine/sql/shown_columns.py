"""Columns as DESCRIBE and `information_schema` show them."""

from __future__ import annotations

from dataclasses import dataclass

import pyarrow as pa

from engine.schema import RowType
from engine.storage.conform import DEFAULT
from engine.storage.protocol import ArrowSource, TableHandle, TableStore

__all__ = ["ShownColumn", "defaults_of", "shown_columns", "stored_schema"]


@dataclass(frozen=True)
class ShownColumn:
    """A column as DESCRIBE and `information_schema` show it; `default` is the text of an expression."""

    name: str
    type: str
    nullable: bool = True
    default: str | None = None


def shown_columns(columns: RowType, stored: pa.Schema) -> list[ShownColumn]:
    """`columns` with what the `stored` fields of their table tell; of a result there are none."""
    defaults = defaults_of(stored)
    required = {field.name for field in stored if not field.nullable}
    return [ShownColumn(c.name, c.type, c.name not in required, defaults.get(c.name)) for c in columns]


def defaults_of(schema: pa.Schema) -> dict[str, str]:
    """The texts of the defaults of a stored table, by column name."""
    return {field.name: field.metadata[DEFAULT].decode() for field in schema if DEFAULT in (field.metadata or {})}


def stored_schema(storage: TableStore, handle: TableHandle) -> pa.Schema:
    """The fields of a table as they are stored; none where a storage does not tell."""
    source = storage.probe(handle)
    return source.data.schema if isinstance(source, ArrowSource) else pa.schema([])
