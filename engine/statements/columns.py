"""Columns as DESCRIBE and `information_schema` show them."""

from __future__ import annotations

from dataclasses import dataclass

import pyarrow as pa

from engine.schema import RowType
from engine.statements.rewriting import defaults_of

__all__ = ["ShownColumn", "shown_columns"]


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
