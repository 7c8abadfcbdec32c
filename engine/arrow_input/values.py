"""The values that Arrow's own full validation takes, and that are none all the same, or that would change here."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.types as pt

from engine.arrow_fields import struct_fields
from engine.arrow_input.guard import MAX_MICROS, MICROS, all_good, look_of
from engine.arrow_input.intervals import INTERVAL
from engine.arrow_input.plain import own_offsets
from engine.arrow_input.types import extension_name
from engine.errors import InvalidDataError

__all__ = ["check_values", "needs_look"]

_WORDS = {
    "arrow.json": "JSON of at most 512 levels",
    "geoarrow.wkb": "well-known binary of at most 16 levels and without a SRID",
    "bit": "a BIT as DuckDB writes it",
    "bignum": "a BIGNUM as DuckDB writes it",
    "time_tz": "a TIMETZ as DuckDB writes it",
}
_DAY = 86_400_000  # milliseconds


def check_values(array: pa.Array, field: pa.Field) -> None:
    """Look at the values of a column of an entering type that is valid to Arrow.

    Raises InvalidDataError, which names the column, for what the kernel or the storages cannot take as it is:

    - values of extension types that are none: JSON, geometries, and the kernel's own;
    - decimals of the least 128-bit number, which Arrow overlooks since it has no absolute value;
    - instants, dates and durations out of the kernel's range, and durations that are no whole microseconds;
    - NULL where a field says that there is none, and maps with a key twice.
    """
    _Column(field.name).check_field(array, field)


def needs_look(field: pa.Field) -> bool:
    """Whether there is anything in a column of this field that `check_values` would look at."""
    kind = field.type
    if not field.nullable:
        return True
    if extension_name(field):
        return extension_name(field) != "arrow.uuid"
    if pt.is_nested(kind):
        return pt.is_map(kind) or any(needs_look(kind.field(i)) for i in range(kind.num_fields))
    return _check_of(kind) is not None


class _Column:
    """The checks of one column, at every depth."""

    def __init__(self, name: str) -> None:
        self._name = name

    def _check(self, array: pa.Array, field: pa.Field) -> None:
        kind, extension = field.type, extension_name(field)
        if isinstance(kind, pa.BaseExtensionType):
            array, kind = array.storage, kind.storage_type
        if extension == "arrow.opaque":
            extension = field.type.type_name
        if extension in _WORDS and not all_good(array, look_of(field)):
            self._refuse(f"a value that is not {_WORDS[extension]}")
        if pt.is_nested(kind):
            self._check_nested(array, kind)
            return
        test = _check_of(kind)
        problem = test(array) if test is not None and len(array) > array.null_count else None
        if problem is not None:
            self._refuse(problem)

    def _check_nested(self, array: pa.Array, kind: pa.DataType) -> None:
        if pt.is_struct(kind):
            present = array.is_valid() if array.null_count else None
            for i in range(kind.num_fields):
                child = array.field(i)
                self.check_field(child if present is None else child.filter(present), kind.field(i))
        elif pt.is_map(kind):
            keys, items = _lists(array, array.keys), _lists(array, array.items)
            self.check_field(keys.flatten(), kind.key_field.with_nullable(False))
            self.check_field(items.flatten(), kind.item_field)
            if _has_twice(pc.list_parent_indices(keys), keys.flatten()):
                self._refuse("a map that has a key twice")
        elif pt.is_union(kind):
            for i in range(kind.num_fields):
                self.check_field(array.field(i), kind.field(i))
        else:
            self.check_field(array.flatten(), kind.value_field)

    def check_field(self, array: pa.Array, field: pa.Field) -> None:
        """`array` without slices above it: all its values are in use."""
        if not field.nullable and array.null_count:
            self._refuse(f'NULLs in "{field.name}", where its type says there are none')
        if needs_look(field):
            self._check(array, field)

    def _refuse(self, problem: str) -> None:
        raise InvalidDataError(f'Column "{self._name}" has {problem}.')


def _check_of(kind: pa.DataType) -> Callable[[pa.Array], str | None] | None:
    """What tells the problem with values of a plain type, if there is one; None where there is nothing to check."""
    if pt.is_decimal128(kind):
        return _decimal
    if pt.is_interval(kind):
        return _interval
    if (pt.is_timestamp(kind) or pt.is_duration(kind)) and kind.unit in MICROS:
        return _range
    if pt.is_duration(kind) and kind.unit == "ns":
        return _nanoseconds
    return _date if pt.is_date64(kind) else None


def _decimal(array: pa.Array) -> str | None:
    good = all_good(array, look_of(pa.field("", array.type)))
    return None if good else f"a number that does not fit in precision of {array.type}"


def _range(array: pa.Array) -> str | None:
    if pt.is_timestamp(array.type) and array.type.tz is None:  # which may be infinite
        good = all_good(array, look_of(pa.field("", array.type)))
        return None if good else f"a value out of the range of {array.type} here"
    limit = MAX_MICROS // MICROS[array.type.unit]
    return _outside(array, -limit, limit)


def _date(array: pa.Array) -> str | None:
    return _outside(array, -(2**31) * _DAY, (2**31 - 1) * _DAY)


def _outside(array: pa.Array, least: int, most: int) -> str | None:
    found = pc.min_max(array.view(pa.int64()))
    if found["min"].as_py() < least or found["max"].as_py() > most:
        return f"a value out of the range of {array.type} here"
    return None


def _nanoseconds(array: pa.Array) -> str | None:
    values = array.view(pa.int64())
    whole = pc.all(pc.equal(pc.multiply(pc.divide(values, 1000), 1000), values)).as_py()
    return None if whole else "durations that are no whole microseconds, the finest that there are here"


def _interval(array: pa.Array) -> str | None:
    values = np.frombuffer(array.buffers()[1], INTERVAL, len(array), array.offset * INTERVAL.itemsize)
    wrong = values["nanos"] % 1000 != 0
    if array.null_count:
        wrong &= np.asarray(array.is_valid())
    return "intervals that are no whole microseconds, the finest that there are here" if wrong.any() else None


def _lists(maps: pa.MapArray, of: pa.Array) -> pa.ListArray:
    """Lists of the keys or of the values of `maps`."""
    offsets, first, last = own_offsets(maps)
    mask = maps.is_null() if maps.null_count else None
    return pa.ListArray.from_arrays(offsets, of.slice(first, last - first), mask=mask)


def _has_twice(rows: pa.Array, keys: pa.Array) -> bool:
    """Whether a row has a key twice."""
    if len(rows) < 2 or not pc.any(pc.equal(rows[1:], rows[:-1])).as_py():
        return False
    # Arrow's grouping complains on stderr about buffers of uploads that are not aligned; its dictionaries take them.
    codes, count = np.asarray(rows, np.int64), 0
    for column in _flat(keys):
        own = column.dictionary_encode("encode")
        pairs = codes * len(own.dictionary) + np.asarray(own.indices, np.int64)
        numbered = pa.array(pairs).dictionary_encode()
        codes, count = np.asarray(numbered.indices, np.int64), len(numbered.dictionary)
    return count < len(rows)


def _flat(keys: pa.Array) -> list[pa.Array]:
    """Columns that differ where keys differ, of types that dictionaries are made of."""
    kind = keys.type
    if isinstance(keys, pa.ExtensionArray):
        return _flat(keys.storage)
    if pt.is_dictionary(kind):
        return _flat(keys.dictionary_decode())
    if pt.is_decimal32(kind) or pt.is_decimal64(kind):
        return [keys.cast(pa.decimal128(kind.precision, kind.scale))]
    if pt.is_struct(kind):
        return [keys.is_valid(), *(column for child in struct_fields(keys) for column in _flat(child))]
    if pt.is_floating(kind):
        return [pc.if_else(pc.is_nan(keys), float("nan"), pc.add(keys, 0.0))]
    if pt.is_interval(kind) or pt.is_nested(kind):
        return [pa.array([repr(key) for key in keys.to_pylist()])]
    return [keys]
