"""Data of clients on its way into tables, as it is stored: in the kernel's types, whatever Arrow types it comes in.

The data has come through `engine.arrow_input`. Most of it is in Arrow types in which the kernel gives those values
itself, or which differ from them in size or unit only: it is passed on or cast. Other data passes through the kernel,
which makes the stored forms of it: UUIDs, JSON, durations, what a DEFAULT is needed for.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing
from dataclasses import dataclass

import pyarrow as pa

from engine.arrow_input import extension_name
from engine.cancellation import Cancellation
from engine.errors import GrismError, SchemaMismatchError
from engine.kernel import Kernel, quote
from engine.kernel_errors import execution_error
from engine.kernel_types import ARRAY, LIST, KernelType, parse_type
from engine.schema import Column, RowType
from engine.storage.alignment import align
from engine.storage.conform import DEFAULT, NOT_NULL, cast_column, cast_gives, match_columns, require_names
from engine.storage.protocol import TableName
from engine.storage.stored_types import declared_type, storable_type, stored_fields
from engine.travel_types import Boundary, is_stored_as_it_is, leaving_type

__all__ = ["Ingestion", "TableColumns", "is_cast_by_arrow"]

_SOURCE = "data"
_SIGNED = ("TINYINT", "SMALLINT", "INTEGER", "BIGINT", "HUGEINT")
_UNSIGNED = tuple(f"U{name}" for name in _SIGNED)
_FINER = (
    ("FLOAT", "DOUBLE"),
    ("TIME", "TIME_NS"),
    ("TIMESTAMP_S", "TIMESTAMP_MS", "TIMESTAMP", "TIMESTAMP_NS"),
    ("TIMESTAMP WITH TIME ZONE", "TIMESTAMPTZ_NS"),
    _SIGNED,
    _UNSIGNED,
)


@dataclass(frozen=True)
class TableColumns:
    """The columns of a table that is there: their types in the kernel, and their fields as stored."""

    columns: RowType
    fields: pa.Schema


class Ingestion:
    """Puts data into the forms that are stored, by `kernel`."""

    def __init__(self, kernel: Kernel) -> None:
        self._kernel = kernel

    def into_new(self, name: TableName, data: pa.RecordBatchReader, cancellation: Cancellation) -> pa.RecordBatchReader:
        """`data` for a new table `name`.

        Raises SchemaMismatchError for a column that cannot be stored. While the result is read it raises
        InvalidDataError and InvalidValueError for values that are none of their type.
        """
        require_names(name, data.schema)
        given = self._given_columns(data.schema)
        wanted = tuple(Column(c.name, storable_type(c)) for c in given)
        fields = stored_fields(self._kernel, wanted)
        stored = pa.schema(map(_with_metadata_of, data.schema, fields))
        if all(map(is_cast_by_arrow, data.schema, stored, wanted)):
            return _cast(name, data, stored)
        items = [_item(f"c{i}", own, to) for i, (own, to) in enumerate(zip(given, wanted, strict=True))]
        return self._through(name, data, items, stored, cancellation)

    def into_table(
        self, name: TableName, data: pa.RecordBatchReader, table: TableColumns, cancellation: Cancellation
    ) -> pa.RecordBatchReader:
        """`data` for the table that is there: its columns are matched by name, others get their DEFAULT or NULL.

        Raises as `into_new`, and SchemaMismatchError for columns that the table has not or whose type does not fit.
        """
        positions = match_columns(name, data.schema, table.fields)
        given = self._given_columns(data.schema)
        passed = True
        items = []
        for position, column, field in zip(positions, table.columns, table.fields, strict=True):
            if position is None:
                default = (field.metadata or {}).get(DEFAULT)
                passed = passed and default is None
                items.append(f"CAST(({'NULL' if default is None else default.decode()}) AS {column.type})")
                continue
            own = given[position]
            if not _fits(_type(own), _type(column)):
                raise SchemaMismatchError(
                    f'Column "{own.name}" of the data has the type {own.type}, table "{name}" has {column.type}; '
                    "cast it to the table's type."
                )
            passed = passed and is_cast_by_arrow(data.schema[position], field, column)
            items.append(_item(f"c{position}", own, column))
        if passed:
            return data
        stored = stored_fields(self._kernel, table.columns)
        return self._through(name, data, items, stored, cancellation)

    def _given_columns(self, schema: pa.Schema) -> RowType:
        for field in schema:
            extension = _extension_in_map(field)
            if extension:
                raise SchemaMismatchError(
                    f'Column "{field.name}" has {extension} inside a map, where it is not known; send it as a list of '
                    "structs, or in its storage type."
                )
        return self._kernel.column_types(pa.Table.from_batches([], schema))

    def _through(
        self,
        name: TableName,
        data: pa.RecordBatchReader,
        items: list[str],
        stored: pa.Schema,
        cancellation: Cancellation,
    ) -> pa.RecordBatchReader:
        """What the kernel makes of `items` over `data`, whose columns are called c0, c1, ... there."""
        named = pa.schema([field.with_name(f"c{i}") for i, field in enumerate(data.schema)])
        listed = ", ".join(f"{item} AS {quote(field.name)}" for item, field in zip(items, stored, strict=True))

        def named_batches() -> Iterator[pa.RecordBatch]:
            for batch in data:
                yield align(pa.RecordBatch.from_arrays(batch.columns, schema=named))

        def cast_batches() -> Iterator[pa.RecordBatch]:
            source = pa.RecordBatchReader.from_batches(named, named_batches())
            try:
                stream = self._kernel.stream(
                    f"SELECT {listed} FROM {_SOURCE}", {_SOURCE: source}, cancellation, boundary=Boundary.STORAGE
                )
                with closing(stream.reader) as reader:
                    for batch in reader:
                        yield _cast_batch(name, batch, stored)
            except (GrismError, pa.ArrowException, OSError) as error:
                cancellation.check()
                raise execution_error(error) from None

        return pa.RecordBatchReader.from_batches(stored, cast_batches())


def _cast(name: TableName, data: pa.RecordBatchReader, stored: pa.Schema) -> pa.RecordBatchReader:
    """`data`, which is valid Arrow data, in the types of `stored`."""
    if data.schema.equals(stored):
        return data
    return pa.RecordBatchReader.from_batches(stored, (_cast_batch(name, batch, stored) for batch in data))


def _cast_batch(name: TableName, batch: pa.RecordBatch, stored: pa.Schema) -> pa.RecordBatch:
    columns = [cast_column(name, column, want) for column, want in zip(batch.columns, stored, strict=True)]
    return pa.RecordBatch.from_arrays(columns, schema=stored)


def is_cast_by_arrow(have: pa.Field, stored: pa.Field, column: Column) -> bool:
    """Whether values of `have` are made those of a `stored` field, of the column's type, by Arrow alone."""
    plain = declared_type(stored) is None and is_stored_as_it_is(column.type)
    return plain and cast_gives(have.type, stored.type)


def _with_metadata_of(given: pa.Field, stored: pa.Field) -> pa.Field:
    """`stored` with what clients have noted about a field, but what is said of its type; and with its NOT NULL."""
    noted = {k: v for k, v in (given.metadata or {}).items() if not k.startswith(b"ARROW:extension:")}
    if not given.nullable:
        noted[NOT_NULL] = b"true"
    return stored.with_metadata({**noted, **(stored.metadata or {})} or None)


def _item(value: str, own: Column, to: Column) -> str:
    """`value`, of the column `own` of the data, as one of `to`."""
    if own.type == to.type:
        return value
    column = to.name.replace("'", "''")
    refused = f"error('Column \"{column}\" of the data has a value that is no {to.type.replace(chr(39), chr(39) * 2)}')"
    made = f"{'CAST' if _type(own).members else 'TRY_CAST'}({value} AS {to.type})"
    if _may_round(_type(own), _type(to)):
        return f"CASE WHEN CAST({made} AS {own.type}) IS NOT DISTINCT FROM {value} THEN {made} ELSE {refused} END"
    if _type(own).members:
        return made
    return f"coalesce({made}, CASE WHEN {value} IS NOT NULL THEN {refused} END)"


def _may_round(have: KernelType, want: KernelType) -> bool:
    """Whether texts become whole numbers, for which the kernel takes those of fractions too."""
    whole = any(kind.name in ("HUGEINT", "UHUGEINT", "BIGNUM") for kind in want.walk())
    return whole and any(kind.name == "VARCHAR" for kind in have.walk())


def _extension_in_map(field: pa.Field, inside: bool = False) -> str:
    """The name of an extension type that stands inside a map, where the kernel reads what it lies in; or nothing."""
    if inside and extension_name(field):
        return extension_name(field)
    if isinstance(field.type, pa.BaseExtensionType):
        return ""
    inside = inside or pa.types.is_map(field.type)
    members = [field.type.key_field, field.type.item_field] if pa.types.is_map(field.type) else list(_members(field))
    return next(filter(None, (_extension_in_map(member, inside) for member in members)), "")


def _members(field: pa.Field) -> Iterator[pa.Field]:
    return (field.type.field(i) for i in range(field.type.num_fields))


def _type(column: Column) -> KernelType:
    try:
        return parse_type(column.type)
    except ValueError:
        return KernelType(column.type)


def _fits(have: KernelType, want: KernelType) -> bool:
    """Whether every value of `have` is one of `want`, or a cast tells which are none."""
    if have == want or have.name == '"NULL"':
        return True
    if have.name == "VARCHAR" and leaving_type(str(want), Boundary.STORAGE) == "VARCHAR":
        return True
    if have.name == want.name == "DECIMAL":
        (precision, scale), (wider, finer) = _digits(have), _digits(want)
        return finer >= scale and wider - finer >= precision - scale
    if have.name in _UNSIGNED and want.name in _SIGNED:
        return _UNSIGNED.index(have.name) < _SIGNED.index(want.name)
    if any(have.name in names and want.name in names[names.index(have.name) :] for names in _FINER):
        return True
    if have.name in (LIST, ARRAY) and want.name == LIST:
        return _fits(have.members[0], want.members[0])
    same = have.name == want.name and have.names == want.names and have.size == want.size
    whole = have.name in ("STRUCT", "MAP", ARRAY, "TUPLE") and len(have.members) == len(want.members)
    return same and whole and all(map(_fits, have.members, want.members))


def _digits(kind: KernelType) -> tuple[int, int]:
    precision, _, scale = kind.arguments.strip("()").partition(",")
    return int(precision), int(scale)
