"""What may be written: the schema a new table gets, whether data fits a table, and the checked stream of it.

A stored table has nullable columns of plain types: dictionaries are decoded and string views made strings, since those
are encodings of a value and not types of their own; half floats and decimals go into the sizes that queries can read,
of which decimals of more than 38 digits have none. Data fits a table where it has the same names in the same order and
each column's type is the table's, or goes into it without losing anything (int32 into int64, any string into any
string, a decimal into a wider one).
"""

from __future__ import annotations

from collections.abc import Iterator

import pyarrow as pa
import pyarrow.types as pt

from engine.arrow_validation import validate
from engine.errors import InvalidDataError, InvalidValueError, SchemaMismatchError
from engine.storage.alignment import aligned
from engine.storage.protocol import TableName

__all__ = ["DEFAULT", "NOT_NULL", "Incoming", "check_fits", "stored_schema"]

DEFAULT = b"grism.default"
"""Metadata of a stored field: the text of the value that an INSERT gives where it names none."""

NOT_NULL = b"grism.not_null"
"""Metadata of a field that is to take no NULLs."""

_MAX_PRECISION = 38

INTEGER_BITS = {
    pa.int8(): (True, 8),
    pa.int16(): (True, 16),
    pa.int32(): (True, 32),
    pa.int64(): (True, 64),
    pa.uint8(): (False, 8),
    pa.uint16(): (False, 16),
    pa.uint32(): (False, 32),
    pa.uint64(): (False, 64),
}


def stored_schema(name: TableName, schema: pa.Schema) -> pa.Schema:
    """The schema of a new table for data of `schema`.

    Raises SchemaMismatchError where there are no columns, two of one name (without regard to case), one without a
    name, or one whose type cannot be stored.
    """
    if not len(schema):
        raise SchemaMismatchError(f'Table "{name}" needs at least one column; the data has none.')
    seen: set[str] = set()
    fields = []
    for field in schema:
        if not field.name:
            raise SchemaMismatchError(f'Every column of table "{name}" needs a name; give it one with AS.')
        if field.name.lower() in seen:
            raise SchemaMismatchError(f'Table "{name}" would have two columns "{field.name}"; rename one with AS.')
        seen.add(field.name.lower())
        plain = _plain(field.type)
        if plain is None:
            raise SchemaMismatchError(
                f'Column "{field.name}" has the type {field.type}, which cannot be stored; cast it to another.'
            )
        nullable = NOT_NULL not in (field.metadata or {})
        fields.append(pa.field(field.name, plain, nullable, field.metadata))
    return pa.schema(fields)


def check_fits(name: TableName, given: pa.Schema, table: pa.Schema) -> None:
    """Raise SchemaMismatchError, which names the first difference, where data of `given` does not fit `table`."""
    for position, (have, want) in enumerate(zip(given, table, strict=False), start=1):
        if have.name != want.name:
            raise SchemaMismatchError(
                f'Column {position} of the data is "{have.name}", table "{name}" has "{want.name}" there; '
                "give the table's columns in the table's order."
            )
        if not _fits(have.type, want.type):
            raise SchemaMismatchError(
                f'Column "{have.name}" of the data has the type {have.type}, table "{name}" has {want.type}; '
                "cast it to the table's type."
            )
    if len(given) != len(table):
        more = len(given) > len(table)
        odd = given[len(table)].name if more else table[len(given)].name
        raise SchemaMismatchError(
            f'The data has {len(given)} columns, table "{name}" has {len(table)}: "{odd}" is '
            + ("not in the table." if more else "missing.")
        )


class Incoming:
    """Data on its way into a table: checked in full and cast to `schema`, batch by batch, as it is pulled.

    `rows` counts what was pulled. `error` is what ended the stream, for writers that wrap what their reader raises.
    """

    def __init__(self, name: TableName, data: pa.RecordBatchReader, schema: pa.Schema) -> None:
        self.schema = schema
        self.rows = 0
        self.error: BaseException | None = None
        self._name, self._data = name, data

    def reader(self) -> pa.RecordBatchReader:
        """The stream; once only."""
        return pa.RecordBatchReader.from_batches(self.schema, self._recorded())

    def __iter__(self) -> Iterator[pa.RecordBatch]:
        return self._recorded()

    def _recorded(self) -> Iterator[pa.RecordBatch]:
        try:
            for batch in self._data:
                checked = self._checked(batch)
                self.rows += checked.num_rows
                if checked.num_rows:
                    yield checked
        except GeneratorExit:
            raise
        except BaseException as error:
            self.error = error
            raise

    def _checked(self, batch: pa.RecordBatch) -> pa.RecordBatch:
        if not batch.schema.equals(self._data.schema):
            raise InvalidDataError(f'A batch of the data for table "{self._name}" has another schema than its stream.')
        try:
            validate(batch)
        except pa.ArrowException as error:
            reason = str(error).partition("\n")[0]
            raise InvalidDataError(f'The data for table "{self._name}" is not valid Arrow data: {reason}') from None
        columns = [self._cast(column, want) for column, want in zip(batch.columns, self.schema, strict=True)]
        return aligned(pa.RecordBatch.from_arrays(columns, schema=self.schema))

    def _cast(self, column: pa.Array, want: pa.Field) -> pa.Array:
        if not want.nullable and column.null_count:
            raise InvalidValueError(f'Column "{want.name}" of table "{self._name}" takes no NULLs; the data has some.')
        if _has_hidden_nulls(column):
            raise InvalidDataError(f'Column "{want.name}" of the data has NULLs where its type says there are none.')
        if column.type.equals(want.type):
            return column
        try:
            return column.cast(want.type)
        except pa.ArrowException:
            raise InvalidValueError(
                f'Column "{want.name}" of the data has values that do not fit the type {want.type} '
                f'of table "{self._name}".'
            ) from None


def _plain(kind: pa.DataType) -> pa.DataType | None:
    """The type in which values of `kind` are stored, or None where they cannot be."""
    if pt.is_dictionary(kind):
        return _plain(kind.value_type)
    if pt.is_string_view(kind):
        return pa.string()
    if pt.is_binary_view(kind):
        return pa.binary()
    if pt.is_float16(kind):
        return pa.float32()
    if pt.is_decimal(kind):
        return pa.decimal128(kind.precision, kind.scale) if kind.precision <= _MAX_PRECISION else None
    if pt.is_struct(kind):
        return _plain_struct(kind)
    if pt.is_map(kind):
        key, item = _plain(kind.key_type), _plain(kind.item_type)
        return None if key is None or item is None else pa.map_(key, item)
    if pt.is_list(kind) or pt.is_large_list(kind) or pt.is_fixed_size_list(kind):
        value = _plain(kind.value_type)
        if value is None:
            return None
        if pt.is_fixed_size_list(kind):
            return pa.list_(value, kind.list_size)
        return pa.large_list(value) if pt.is_large_list(kind) else pa.list_(value)
    if pt.is_union(kind) or pt.is_run_end_encoded(kind) or pt.is_list_view(kind) or pt.is_large_list_view(kind):
        return None
    return kind


def _plain_struct(kind: pa.StructType) -> pa.DataType | None:
    fields = []
    for field in kind:
        plain = _plain(field.type)
        if plain is None:
            return None
        fields.append(pa.field(field.name, plain, metadata=field.metadata))
    return pa.struct(fields) if fields else None


def _fits(have: pa.DataType, want: pa.DataType) -> bool:
    """Whether every value of `have` is a value of `want`, or a cast would tell."""
    if have.equals(want) or pt.is_null(have):
        return True
    if pt.is_dictionary(have):
        return _fits(have.value_type, want)
    if pt.is_dictionary(want):
        return _fits(have, want.value_type)
    if have in INTEGER_BITS and want in INTEGER_BITS:
        (have_signed, have_bits), (want_signed, want_bits) = INTEGER_BITS[have], INTEGER_BITS[want]
        return have_bits <= want_bits if have_signed == want_signed else want_signed and have_bits < want_bits
    if pt.is_floating(have) and pt.is_floating(want):
        return bool(have.bit_width <= want.bit_width)
    if pt.is_decimal(have) and pt.is_decimal(want):
        whole = want.precision - want.scale >= have.precision - have.scale
        return bool(whole and want.scale >= have.scale)
    if pt.is_timestamp(have) and pt.is_timestamp(want):
        return (have.tz is None) == (want.tz is None) and _finer(have.unit, want.unit)
    if (pt.is_time(have) and pt.is_time(want)) or (pt.is_duration(have) and pt.is_duration(want)):
        return _finer(have.unit, want.unit)
    return _same_family(have, want) or _nested_fits(have, want)


def _finer(have: str, want: str) -> bool:
    units = ["s", "ms", "us", "ns"]
    return units.index(have) <= units.index(want)


def _same_family(have: pa.DataType, want: pa.DataType) -> bool:
    def strings(kind: pa.DataType) -> bool:
        return bool(pt.is_string(kind) or pt.is_large_string(kind) or pt.is_string_view(kind))

    def binaries(kind: pa.DataType) -> bool:
        return bool(pt.is_binary(kind) or pt.is_large_binary(kind) or pt.is_binary_view(kind))

    return (strings(have) and strings(want)) or (binaries(have) and binaries(want))


def _nested_fits(have: pa.DataType, want: pa.DataType) -> bool:
    if pt.is_struct(have) and pt.is_struct(want):
        return have.num_fields == want.num_fields and all(
            h.name == w.name and _fits(h.type, w.type) for h, w in zip(have, want, strict=True)
        )
    if pt.is_map(have) and pt.is_map(want):
        return _fits(have.key_type, want.key_type) and _fits(have.item_type, want.item_type)
    if pt.is_fixed_size_list(want):
        return bool(pt.is_fixed_size_list(have) and have.list_size == want.list_size) and _fits(
            have.value_type, want.value_type
        )
    lists = (pt.is_list, pt.is_large_list, pt.is_fixed_size_list)
    if any(check(have) for check in lists) and (pt.is_list(want) or pt.is_large_list(want)):
        return _fits(have.value_type, want.value_type)
    return False


def _has_hidden_nulls(array: pa.Array) -> bool:
    """Whether a nested field that says it is never NULL is NULL in a row whose parent is there."""
    kind = array.type
    if pt.is_struct(kind):
        return any(
            (not field.nullable and child.null_count > array.null_count) or _has_hidden_nulls(child)
            for field, child in zip(kind, array.flatten(), strict=True)
        )
    if pt.is_map(kind):
        return array.keys.null_count > 0 or _has_hidden_nulls(array.items)
    if pt.is_list(kind) or pt.is_large_list(kind) or pt.is_fixed_size_list(kind):
        values = array.flatten()
        return (not kind.value_field.nullable and values.null_count > 0) or _has_hidden_nulls(values)
    return False
