"""What is told to BI tools about columns, in a field's metadata (`ARROW:FLIGHT:SQL:*`)."""

from __future__ import annotations

from collections.abc import Callable

import pyarrow as pa
from pyarrow import types

from engine.storage.protocol import CATALOG, TableName

__all__ = ["annotate", "type_name"]

_PREFIX = "ARROW:FLIGHT:SQL:"

# Arrow type: the dialect's name; precision in digits, bits (of floats) or characters; scale.
_PLAIN: dict[pa.DataType, tuple[str, int | None, int | None]] = {
    pa.bool_(): ("BOOLEAN", 1, None),
    pa.int8(): ("TINYINT", 3, 0),
    pa.uint8(): ("UTINYINT", 3, 0),
    pa.int16(): ("SMALLINT", 5, 0),
    pa.uint16(): ("USMALLINT", 5, 0),
    pa.int32(): ("INTEGER", 10, 0),
    pa.uint32(): ("UINTEGER", 10, 0),
    pa.int64(): ("BIGINT", 19, 0),
    pa.uint64(): ("UBIGINT", 20, 0),
    pa.float32(): ("FLOAT", 24, None),
    pa.float64(): ("DOUBLE", 53, None),
    pa.string(): ("VARCHAR", None, None),
    pa.large_string(): ("VARCHAR", None, None),
    pa.binary(): ("BLOB", None, None),
    pa.large_binary(): ("BLOB", None, None),
    pa.date32(): ("DATE", 10, None),
    pa.time64("us"): ("TIME", 15, 6),
    pa.timestamp("s"): ("TIMESTAMP_S", 19, 0),
    pa.timestamp("ms"): ("TIMESTAMP_MS", 23, 3),
    pa.timestamp("us"): ("TIMESTAMP", 26, 6),
    pa.timestamp("ns"): ("TIMESTAMP_NS", 29, 9),
    pa.month_day_nano_interval(): ("INTERVAL", None, None),
    pa.null(): ("NULL", None, None),
}
_NESTED: tuple[tuple[Callable[[pa.DataType], bool], Callable[..., str]], ...] = (
    (types.is_list, lambda t: f"{type_name(t.value_type)}[]"),
    (types.is_large_list, lambda t: f"{type_name(t.value_type)}[]"),
    (types.is_fixed_size_list, lambda t: f"{type_name(t.value_type)}[{t.list_size}]"),
    (types.is_map, lambda t: f"MAP({type_name(t.key_type)}, {type_name(t.item_type)})"),
    (types.is_struct, lambda t: "STRUCT(" + ", ".join(f'"{f.name}" {type_name(f.type)}' for f in t) + ")"),
)


def type_name(data_type: pa.DataType) -> str:
    """The dialect's name for an Arrow type; Arrow's own where the dialect has none."""
    return _describe(data_type)[0]


def annotate(schema: pa.Schema, table: TableName | None = None) -> pa.Schema:
    """`schema` with each column's type name, precision and scale as metadata, and the table that it is of."""
    return pa.schema([field.with_metadata(_metadata(field.type, table)) for field in schema], schema.metadata)


def _describe(data_type: pa.DataType) -> tuple[str, int | None, int | None]:
    if data_type in _PLAIN:
        return _PLAIN[data_type]
    if types.is_decimal(data_type):
        return "DECIMAL", data_type.precision, data_type.scale
    if types.is_timestamp(data_type):
        return "TIMESTAMP WITH TIME ZONE", 32, 6
    for belongs, name in _NESTED:
        if belongs(data_type):
            return name(data_type), None, None
    return str(data_type).upper(), None, None


def _metadata(data_type: pa.DataType, table: TableName | None) -> dict[str | bytes, str | bytes]:
    name, precision, scale = _describe(data_type)
    said: dict[str, str] = {
        "TYPE_NAME": name,
        "IS_AUTO_INCREMENT": "0",
        "IS_CASE_SENSITIVE": "1" if name == "VARCHAR" else "0",
        "IS_SEARCHABLE": "1",
    }
    if precision is not None:
        said["PRECISION"] = str(precision)
    if scale is not None:
        said["SCALE"] = str(scale)
    if table is not None:
        said |= {"CATALOG_NAME": CATALOG, "DB_SCHEMA_NAME": table.schema, "TABLE_NAME": table.table}
    return {_PREFIX + key: value for key, value in said.items()}
