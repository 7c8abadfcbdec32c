"""What may be written: the schema a new table gets, whether data fits a table, and the checked stream of it.

A stored table has nullable columns of plain types: dictionaries are decoded and string views made strings, since those
are encodings of a value and not types of their own; half floats and decimals go into the sizes that queries can read,
of which decimals of more than 38 digits have none. Data fits a table where each of its columns has the name of one of
the table's, and the table's type or one that goes into it without losing anything (int32 into int64, any string into
any string, a decimal into a wider one), which for times and the like is told by each value.
"""

from __future__ import annotations

from collections.abc import Iterator

import pyarrow as pa
import pyarrow.types as pt

from engine.arrow_fields import struct_fields
from engine.arrow_validation import invalid_column, validate
from engine.errors import InvalidDataError, InvalidValueError, SchemaMismatchError, nearest
from engine.storage.alignment import align
from engine.storage.dictionary_keys import DictionaryKeys, has_dictionary, into_dictionaries
from engine.storage.json_columns import JsonColumns
from engine.storage.natural_forms import into_natural_form
from engine.storage.protocol import TableName
from engine.storage.stored_types import declared_type

__all__ = [
    "DEFAULT",
    "NOT_NULL",
    "Incoming",
    "cast_column",
    "cast_gives",
    "check_fits",
    "match_columns",
    "require_names",
    "stored_schema",
]

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
    require_names(name, schema)
    fields = []
    for field in schema:
        plain = _plain(field.type)
        if plain is None:
            raise SchemaMismatchError(
                f'Column "{field.name}" has the type {field.type}, which cannot be stored; cast it to another.'
            )
        nullable = NOT_NULL not in (field.metadata or {})
        fields.append(pa.field(field.name, plain, nullable, field.metadata))
    return pa.schema(fields)


def require_names(name: TableName, schema: pa.Schema) -> None:
    """Raise SchemaMismatchError where columns have no names, or two have one, in any case; or where there are none."""
    if not len(schema):
        raise SchemaMismatchError(f'Table "{name}" needs at least one column; the data has none.')
    seen: set[str] = set()
    for field in schema:
        if not field.name:
            raise SchemaMismatchError(f'Every column of table "{name}" needs a name; give it one with AS.')
        if field.name.lower() in seen:
            raise SchemaMismatchError(f'Table "{name}" would have two columns "{field.name}"; rename one with AS.')
        seen.add(field.name.lower())


def check_fits(name: TableName, given: pa.Schema, table: pa.Schema) -> None:
    """Raise SchemaMismatchError, which names the first difference, where data of `given` does not fit `table`.

    Columns are matched by name, in any case and order. Those that the data has not become NULL.
    """
    for position, want in zip(match_columns(name, given, table), table, strict=True):
        if position is None:
            if not want.nullable:
                raise SchemaMismatchError(f'Column "{want.name}" of table "{name}" takes no NULLs; the data has none.')
            continue
        have = given[position]
        if declared_type(have) != declared_type(want):
            if declared_type(want) is None and into_natural_form(declared_type(have), want) is not None:
                continue
            raise SchemaMismatchError(_other_form(name, have, want))
        if not _fits(have.type, want.type):
            raise SchemaMismatchError(
                f'Column "{have.name}" of the data has the type {have.type}, table "{name}" has {want.type}; '
                "cast it to the table's type."
            )


def match_columns(name: TableName, given: pa.Schema, table: pa.Schema) -> list[int | None]:
    """For each column of `table` its position in data of `given`, None where it is not there; names in any case.

    Raises SchemaMismatchError for a column that is given twice, or that the table has not.
    """
    positions: dict[str, int] = {}
    own = {field.name.lower() for field in table}
    for position, field in enumerate(given):
        key = field.name.lower()
        if key in positions:
            raise SchemaMismatchError(f'The data for table "{name}" has two columns "{field.name}"; leave one out.')
        if key not in own:
            near = nearest(field.name, table.names)
            hint = f'did you mean "{near}"?' if near else "leave it out, or add it with ALTER TABLE."
            raise SchemaMismatchError(f'Column "{field.name}" of the data is not in the table "{name}"; {hint}')
        positions[key] = position
    return [positions.get(field.name.lower()) for field in table]


def _other_form(name: TableName, have: pa.Field, want: pa.Field) -> str:
    """What to say where one of two columns names a type that the other does not name."""
    given, stored = (declared_type(field) or str(field.type) for field in (have, want))
    if declared_type(want) is None:
        return (
            f'Column "{want.name}" of table "{name}" is stored as {stored}, as other tools do, and cannot be appended '
            f"to with {given}; ALTER TABLE, or an UPDATE of it, stores it in the form that can."
        )
    return f'Column "{have.name}" of the data has the type {given}, table "{name}" has {stored}; cast it.'


class Incoming:
    """Data on its way into a table: checked in full and cast to `schema`, batch by batch, as it is pulled.

    What is known to be valid Arrow data (`is_valid`) is not validated again. The data has the schema `given`.
    `rows` counts what was pulled. `error` is what ended the stream, for writers that wrap what their reader raises.
    """

    def __init__(self, name: TableName, data: pa.RecordBatchReader, schema: pa.Schema, is_valid: bool = False) -> None:
        self.table, self.given, self.schema = name, data.schema, schema
        self.is_valid = is_valid
        self.rows = 0
        self.error: BaseException | None = None
        self._data = data
        self._positions = match_columns(name, data.schema, schema)
        self.keys = DictionaryKeys(name, schema)
        self._json = JsonColumns(name, schema)

    def reader(self) -> pa.RecordBatchReader:
        """The stream; once only."""
        return pa.RecordBatchReader.from_batches(self.schema, self._checked_batches())

    def __iter__(self) -> Iterator[pa.RecordBatch]:
        return self._checked_batches()

    def _checked_batches(self) -> Iterator[pa.RecordBatch]:
        try:
            for batch in self._data:
                checked = self._check_batch(batch)
                self._json.check(checked)
                self.keys.count(checked)
                self.rows += checked.num_rows
                if checked.num_rows:
                    yield checked
        except GeneratorExit:
            raise
        except BaseException as error:
            self.error = error
            raise

    def _check_batch(self, batch: pa.RecordBatch) -> pa.RecordBatch:
        if not batch.schema.equals(self.given):
            raise InvalidDataError(f'A batch of the data for table "{self.table}" has another schema than its stream.')
        try:
            if not self.is_valid:
                validate(batch)
        except pa.ArrowException as error:
            raise InvalidDataError(self._invalid(error)) from None
        columns = [
            pa.nulls(batch.num_rows, want.type)
            if position is None
            else self._cast(batch.column(position), declared_type(batch.schema.field(position)), want)
            for position, want in zip(self._positions, self.schema, strict=True)
        ]
        return align(pa.RecordBatch.from_arrays(columns, schema=self.schema))

    def _invalid(self, error: pa.ArrowException) -> str:
        column, told = invalid_column(error, self.given)
        where = "" if column is None else f' in column "{column}"'
        return f'The data for table "{self.table}" is not valid Arrow data{where}: {told}'

    def _cast(self, column: pa.Array, declared: str | None, want: pa.Field) -> pa.Array:
        """`column`, whose field names the kernel's type `declared`, as a column of the table."""
        if not want.nullable and column.null_count:
            raise InvalidValueError(f'Column "{want.name}" of table "{self.table}" takes no NULLs; the data has some.')
        if _has_hidden_nulls(column):
            raise InvalidDataError(f'Column "{want.name}" of the data has NULLs where its type says there are none.')
        cast = cast_column(self.table, column, want, declared)
        if cast is not column and _has_hidden_nulls(cast):
            raise InvalidValueError(
                f'Column "{want.name}" of table "{self.table}" takes no NULLs inside of its values; the data has some.'
            )
        return cast


def cast_column(name: TableName, column: pa.Array, want: pa.Field, declared: str | None = None) -> pa.Array:
    """`column` in the type of `want`, a column of table `name`; InvalidValueError for values that do not fit it.

    Where `declared` is the kernel's type of which `column` is the stored form, that is put into the form of `want`.
    """
    if column.type.equals(want.type):
        return column
    if column.null_count == len(column):
        return pa.nulls(len(column), want.type)
    natural = into_natural_form(declared, want)
    try:
        if natural is None and has_dictionary(want.type):
            return into_dictionaries(name, column, want)
        return column.cast(want.type) if natural is None else natural(column)
    except pa.ArrowException:
        raise InvalidValueError(
            f'Column "{want.name}" of the data has values that do not fit the type {want.type} of table "{name}".'
        ) from None


def cast_gives(have: pa.DataType, want: pa.DataType) -> bool:
    """Whether `cast_column` makes every value of `have` the same one of `want`, or tells that it is none."""
    if have.equals(want):
        return True
    if not _fits(have, want):
        return False
    try:
        pa.nulls(0, have).cast(want)
    except pa.ArrowException:
        return False
    return True


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
        storable = 0 <= kind.scale <= kind.precision <= _MAX_PRECISION
        return pa.decimal128(kind.precision, kind.scale) if storable else None
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
    if have.equals(want) or pt.is_null(have) or pt.is_null(want):
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
        return (have.tz is None) == (want.tz is None)
    if any(of(have) and of(want) for of in (pt.is_time, pt.is_date, pt.is_duration)):
        return True
    return _same_family(have, want) or _nested_fits(have, want)


def _same_family(have: pa.DataType, want: pa.DataType) -> bool:
    def strings(kind: pa.DataType) -> bool:
        return bool(pt.is_string(kind) or pt.is_large_string(kind) or pt.is_string_view(kind))

    def binaries(kind: pa.DataType) -> bool:
        kinds = (pt.is_binary, pt.is_large_binary, pt.is_binary_view, pt.is_fixed_size_binary)
        return any(test(kind) for test in kinds) and not pt.is_decimal(kind)

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
            for field, child in zip(kind, struct_fields(array), strict=True)
        )
    if pt.is_map(kind):
        return array.keys.null_count > 0 or _has_hidden_nulls(array.items)
    if pt.is_list(kind) or pt.is_large_list(kind) or pt.is_fixed_size_list(kind):
        values = array.flatten()
        return (not kind.value_field.nullable and values.null_count > 0) or _has_hidden_nulls(values)
    return False
