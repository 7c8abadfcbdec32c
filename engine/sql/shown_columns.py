"""Columns as DESCRIBE and `information_schema` show them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

import pyarrow as pa

from engine.schema import RowType
from engine.storage.conform import DEFAULT
from engine.storage.protocol import ArrowSource, KernelSource, TableHandle, TableStore

__all__ = ["Constraints", "ShownColumn", "constraints", "defaults_of", "shown_columns", "stored_schema"]


@dataclass(frozen=True)
class ShownColumn:
    """A column as DESCRIBE and `information_schema` show it; `default` is the text of an expression."""

    name: str
    type: str
    nullable: bool = True
    default: str | None = None


@dataclass(frozen=True)
class Constraints:
    """What a table says of its columns, by name: which are NOT NULL, and the texts of the defaults."""

    required: frozenset[str] = frozenset()
    defaults: Mapping[str, str] = field(default_factory=dict)


def shown_columns(columns: RowType, told: Constraints) -> list[ShownColumn]:
    """`columns` with what is `told` of them."""
    return [ShownColumn(c.name, c.type, c.name not in told.required, told.defaults.get(c.name)) for c in columns]


def constraints(storage: TableStore, handle: TableHandle) -> Constraints:
    """What a stored table says of its columns. Raises as `TableStore.probe`."""
    source = storage.probe(handle)
    if isinstance(source, KernelSource):
        return Constraints(source.required)
    schema = source.data.schema
    return Constraints(frozenset(each.name for each in schema if not each.nullable), defaults_of(schema))


def defaults_of(schema: pa.Schema) -> dict[str, str]:
    """The texts of the defaults of a stored table, by column name."""
    return {each.name: each.metadata[DEFAULT].decode() for each in schema if DEFAULT in (each.metadata or {})}


def stored_schema(storage: TableStore, handle: TableHandle) -> pa.Schema:
    """The fields of a table as they are stored; none where a storage does not tell."""
    source = storage.probe(handle)
    return source.data.schema if isinstance(source, ArrowSource) else pa.schema([])
