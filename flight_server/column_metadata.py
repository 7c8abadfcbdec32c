"""What is told to BI tools about columns, in a field's metadata (`ARROW:FLIGHT:SQL:*`)."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import lru_cache
from itertools import chain, repeat

import pyarrow as pa
from pyarrow import types

from engine.kernel import quote
from engine.storage.conform import DEFAULT, NOT_NULL
from engine.storage.protocol import CATALOG, Origins, TableName
from engine.storage.stored_types import STORED_TYPE

__all__ = ["PREFIX", "annotate", "strip_annotations", "type_name"]

PREFIX = b"ARROW:FLIGHT:SQL:"
"""Of the keys, which the protocol has."""

_DEFINITIONS = (DEFAULT, NOT_NULL, STORED_TYPE)  # keys of what the storage keeps of a table's columns

_KNOWN_TYPES = 4096
_KNOWN_TABLES = 1024

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
    pa.time64("ns"): ("TIME_NS", 18, 9),
    pa.timestamp("s"): ("TIMESTAMP_S", 19, 0),
    pa.timestamp("ms"): ("TIMESTAMP_MS", 23, 3),
    pa.timestamp("us"): ("TIMESTAMP", 26, 6),
    pa.timestamp("ns"): ("TIMESTAMP_NS", 29, 9),
    pa.month_day_nano_interval(): ("INTERVAL", None, None),
    pa.null(): ("NULL", None, None),
}
_NESTED: tuple[tuple[Callable[[pa.DataType], bool], Callable[..., str]], ...] = (
    (types.is_list, lambda t: f"{_inner_name(t.value_type)}[]"),
    (types.is_large_list, lambda t: f"{_inner_name(t.value_type)}[]"),
    (types.is_fixed_size_list, lambda t: f"{_inner_name(t.value_type)}[{t.list_size}]"),
    (types.is_map, lambda t: f"MAP({_inner_name(t.key_type)}, {_inner_name(t.item_type)})"),
    (types.is_struct, lambda t: f"STRUCT({_fields(t)})"),
    (types.is_union, lambda t: f"UNION({_fields(t)})"),
)


def type_name(data_type: pa.DataType) -> str:
    """The dialect's name for an Arrow type; Arrow's own where the dialect has none."""
    return _describe(data_type)[0]


def annotate(schema: pa.Schema, origins: Origins = (), read_only: bool = True) -> pa.Schema:
    """`schema` with what drivers read of each column in its field's metadata, beside what stands there.

    That is its type's name, precision and scale; the table that it is of, where `origins` has one for it; whether it
    can be `read_only`, as in every result, and can be searched.
    """
    told = {} if read_only else {_key("IS_READ_ONLY"): b"0"}
    return pa.schema(
        [
            field.with_metadata({**(field.metadata or {}), **_of_type(field.type), **_of_table(origin), **told})
            for field, origin in zip(schema, chain(origins, repeat(None)), strict=False)
        ],
        schema.metadata,
    )


def strip_annotations(schema: pa.Schema) -> pa.Schema:
    """`schema` without what results say of columns, and without what the storage keeps of definitions.

    Neither is for uploads to tell: a client may send back what it was given.
    """
    fields = []
    for field in schema:
        noted = (field.metadata or {}).items()
        kept = {key: value for key, value in noted if key not in _DEFINITIONS and not key.startswith(PREFIX)}
        fields.append(field.with_metadata(kept or None))
    return pa.schema(fields, schema.metadata)


def _inner_name(data_type: pa.DataType) -> str:
    """The name of a type in another, where digits are told nowhere else."""
    if types.is_decimal(data_type):
        return f"DECIMAL({data_type.precision},{data_type.scale})"
    return type_name(data_type)


def _fields(data_type: pa.StructType | pa.UnionType) -> str:
    return ", ".join(f"{quote(field.name)} {_inner_name(field.type)}" for field in data_type)


def _describe(data_type: pa.DataType) -> tuple[str, int | None, int | None]:
    if data_type in _PLAIN:
        return _PLAIN[data_type]
    if types.is_decimal(data_type):
        return "DECIMAL", data_type.precision, data_type.scale
    if types.is_timestamp(data_type):
        return ("TIMESTAMPTZ_NS", 35, 9) if data_type.unit == "ns" else ("TIMESTAMP WITH TIME ZONE", 32, 6)
    if types.is_dictionary(data_type):
        return _describe(data_type.value_type)
    for belongs, name in _NESTED:
        if belongs(data_type):
            return name(data_type), None, None
    return str(data_type).upper(), None, None


@lru_cache(_KNOWN_TYPES)
def _of_type(data_type: pa.DataType) -> Mapping[bytes, bytes]:
    name, precision, scale = _describe(data_type)
    # Nothing is said of IS_AUTO_INCREMENT: where it is there, `getObjects` of ADBC's driver in Java 0.20.0 fails.
    said = {
        "TYPE_NAME": name,
        "IS_CASE_SENSITIVE": "1" if name == "VARCHAR" else "0",
        "IS_READ_ONLY": "1",
        "IS_SEARCHABLE": "1",
    }
    if precision is not None:
        said["PRECISION"] = str(precision)
    if scale is not None:
        said["SCALE"] = str(scale)
    return {_key(name): value.encode() for name, value in said.items()}


@lru_cache(_KNOWN_TABLES)
def _of_table(table: TableName | None) -> Mapping[bytes, bytes]:
    """The schema under the name that the protocol has for it, and under the one that JDBC's driver reads."""
    if table is None:
        return {}
    said = {
        "CATALOG_NAME": CATALOG,
        "DB_SCHEMA_NAME": table.schema,
        "SCHEMA_NAME": table.schema,
        "TABLE_NAME": table.table,
    }
    return {_key(name): value.encode() for name, value in said.items()}


def _key(name: str) -> bytes:
    return PREFIX + name.encode()
