"""Which type a stored column has: the kernel's, whatever lies beneath.

Where Arrow and the storage carry a type of the kernel's there and back, the stored column is just that. Elsewhere it
has a form that they carry (`engine.travel_types` has the forms), and the field's metadata names the kernel's type. A
column without that metadata is of the type that the kernel reads.
"""

from __future__ import annotations

import re

import pyarrow as pa
import pyarrow.types as pt

from engine.arrow_input import StreamGuard
from engine.errors import SchemaMismatchError, UnsupportedError
from engine.kernel import Kernel
from engine.kernel_types import KernelType, parse_type
from engine.schema import Column, RowType
from engine.travel_types import Boundary, is_stored_as_it_is, leaving_type

__all__ = [
    "STORED_TYPE",
    "ReadFields",
    "declared_type",
    "kernel_columns",
    "storable_type",
    "stored_fields",
    "with_declared_json",
]

STORED_TYPE = b"grism.type"
"""Metadata of a stored field: the kernel's type, where the field has another form."""

_STORABLE = re.compile(
    r"U?(TINYINT|SMALLINT|INTEGER|BIGINT|HUGEINT)|BOOLEAN|FLOAT|DOUBLE|DECIMAL|BIGNUM|VARCHAR|BLOB|BIT|UUID|JSON|ENUM"
    r"|DATE|TIME(_NS| WITH TIME ZONE)?|TIMESTAMP(_S|_MS|_NS|TZ_NS| WITH TIME ZONE)?|INTERVAL|GEOMETRY|VARIANT"
    r"|LIST|ARRAY|MAP"
)
_INSTEAD_OF_NULL = KernelType("INTEGER")  # which the kernel takes for a NULL wherever values are wanted


def declared_type(field: pa.Field) -> str | None:
    """The kernel's type that a stored field names, or None."""
    text = (field.metadata or {}).get(STORED_TYPE)
    return None if text is None else text.decode(errors="replace")


def kernel_columns(kernel: Kernel, schema: pa.Schema) -> RowType:
    """The columns of a table with this stored schema, in the kernel's types. Raises as `Kernel.column_types`.

    A type that a field names but its data cannot have is not believed.
    """
    natural = kernel.column_types(pa.Table.from_batches([], schema))
    return tuple(_trusted_column(kernel, own, declared_type(field)) for own, field in zip(natural, schema, strict=True))


class ReadFields:
    """The fields of stored data that is read, in `schema`, and how its values are looked at.

    As those of Arrow data that enters, and JSON that lies in texts is looked at, too.
    """

    def __init__(self, schema: pa.Schema) -> None:
        self.schema = schema
        types = [declared_type(field) or str(field.type) for field in schema]
        self._guard = StreamGuard(pa.schema([with_declared_json(field) for field in schema]), types)

    def guard_reader(self, reader: pa.RecordBatchReader) -> pa.RecordBatchReader:
        """`reader`, which fails with ArrowInvalid where a value is none of its type."""
        return self._guard.reader(reader)

    def guard_table(self, rows: pa.Table) -> pa.Table:
        """`rows`. Raises ArrowInvalid where a value is none of its type."""
        if self._guard.is_harmless:
            return rows
        return pa.Table.from_batches(list(self.guard_reader(rows.to_reader())), self.schema)


def with_declared_json(field: pa.Field) -> pa.Field:
    """A stored field with a type of JSON wherever it lies in texts that the kernel's type says to be that."""
    declared = declared_type(field) or ""
    if "JSON" not in declared:
        return field
    try:
        return field.with_type(_with_json(parse_type(declared), field.type))
    except (ValueError, UnsupportedError):  # and then it is not believed
        return field


def _with_json(kind: KernelType, stored: pa.DataType) -> pa.DataType:
    """`stored` with JSON in the places of the texts that have it by the kernel's type; of unions and variants none."""
    match kind.name:
        case "JSON" if pt.is_string(stored) or pt.is_large_string(stored):
            return pa.opaque(stored, "json", "DuckDB")  # what the kernel takes for JSON is more than Arrow's is
        case "LIST" | "ARRAY" if pt.is_list(stored):
            return pa.list_(stored.value_field.with_type(_with_json(kind.members[0], stored.value_type)))
        case "STRUCT" | "TUPLE" if pt.is_struct(stored) and stored.num_fields == len(kind.members):
            return pa.struct([f.with_type(_with_json(k, f.type)) for k, f in zip(kind.members, stored, strict=True)])
        case "MAP" if pt.is_map(stored):
            key, item = (
                _with_json(k, t) for k, t in zip(kind.members, (stored.key_type, stored.item_type), strict=True)
            )
            return pa.map_(stored.key_field.with_type(key), stored.item_field.with_type(item))
    return stored


def _trusted_column(kernel: Kernel, natural: Column, declared: str | None) -> Column:
    if declared is None or leaving_type(declared, Boundary.STORAGE) != natural.type:
        return natural
    return Column(natural.name, declared) if kernel.is_type(declared) else natural


def storable_type(column: Column) -> str:
    """The type of a stored column for values of type `column.type`, which is that type but for NULL's.

    Raises SchemaMismatchError where there is none.
    """
    try:
        kind = _without_null(parse_type(column.type))
    except ValueError:
        kind = KernelType(column.type)
    if not _is_storable(kind):
        raise SchemaMismatchError(
            f'Column "{column.name}" has the type {column.type}, which cannot be stored; cast it to VARCHAR, say.'
        )
    return str(kind)


def stored_fields(kernel: Kernel, columns: RowType) -> pa.Schema:
    """The fields in which columns of storable types are stored."""
    schema = kernel.arrow_schema(columns, Boundary.STORAGE)
    return pa.schema(
        [
            field if is_stored_as_it_is(c.type) else field.with_metadata({STORED_TYPE: c.type.encode()})
            for field, c in zip(schema, columns, strict=True)
        ]
    )


def _without_null(kind: KernelType) -> KernelType:
    return _INSTEAD_OF_NULL if kind.name == '"NULL"' else kind.with_members(_without_null)


def _is_storable(kind: KernelType) -> bool:
    if kind.name in ("STRUCT", "UNION", "TUPLE"):
        names = [name.lower() for name in kind.names]
        distinct = len(set(names)) == len(names) and '""' not in names
        whole = kind.name != "TUPLE" or all(inner.name not in ("UNION", "VARIANT") for inner in kind.walk())
        return bool(kind.members) and distinct and whole and all(map(_is_storable, kind.members))
    return _STORABLE.fullmatch(kind.name) is not None and all(map(_is_storable, kind.members))
