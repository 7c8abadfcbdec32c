"""Columns of dictionaries whose keys are so short that rows which are written together may have too many values.

Other tools make such columns: pandas gives its categories keys of 8 bits. Lance joins the dictionaries of all batches
of a fragment; where its keys do not tell the values apart, it writes files that nobody can read.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.types as pt
from lance.file import LanceFileReader

from engine.errors import InvalidValueError
from engine.storage.protocol import TableName

__all__ = ["DictionaryKeys", "has_dictionary", "into_dictionaries"]

_Fragments = Iterable[Any]  # Lance's descriptions of fragments

_SHORT = {pa.int8(): 127, pa.uint8(): 255, pa.int16(): 32_767, pa.uint16(): 65_535}
"""How many values Lance and Arrow join by keys of a type, of which NULL may be one."""


class DictionaryKeys:
    """Counts the values of such columns in all that is written to one fragment of a table."""

    def __init__(self, name: TableName, schema: pa.Schema) -> None:
        self._name = name
        self.columns = [field.name for field in schema if _has_short_keys(field.type)]
        self._seen: dict[tuple[str, int], pa.Array] = {}

    def count(self, batch: pa.RecordBatch) -> None:
        """Take a batch down. Raises InvalidValueError where a column has more values by now than it has keys."""
        for column in self.columns:
            for place, part in enumerate(_dictionaries(batch.column(column))):
                values = pa.compute.unique(part.dictionary_decode())
                seen = self._seen.get((column, place))
                seen = values if seen is None else pa.compute.unique(pa.concat_arrays([seen, values]))
                _require_keys(self._name, column, part.type, len(seen))
                self._seen[column, place] = seen

    def require_readable(self, path: Path, fragments: _Fragments) -> None:
        """Read what was written to fragments of the dataset at a path: values that stand in the dictionaries of several
        batches may take a key for each. Raises InvalidValueError where it cannot be read.
        """
        for file in (file for fragment in fragments for file in fragment.files) if self.columns else ():
            try:
                for _ in LanceFileReader(str(path / "data" / file.path), columns=self.columns).read_all().to_batches():
                    pass
            except pa.ArrowException:
                raise _too_many(self._name, ", ".join(self.columns)) from None


def has_dictionary(kind: pa.DataType) -> bool:
    """Whether a type is a dictionary, or a struct, list or map with one inside, which Arrow's casts do not all make."""
    return pt.is_dictionary(kind) or any(has_dictionary(kind.field(i).type) for i in range(kind.num_fields))


def into_dictionaries(name: TableName, column: pa.Array, want: pa.Field) -> pa.Array:
    """`column` with dictionaries of its own values and no others, at every depth, for the column `want` of a table.

    Raises InvalidValueError where they are more than the keys tell apart, ArrowException where they do not fit.
    """
    plain = column.dictionary_decode() if pt.is_dictionary(column.type) else column

    def encode(values: pa.Array, kind: pa.DataType) -> pa.Array:
        if pt.is_dictionary(kind):
            encoded = values.dictionary_encode()
            _require_keys(name, want.name, kind, len(encoded.dictionary))
            return encoded.cast(kind)
        if not has_dictionary(kind):
            return values
        if pt.is_struct(kind):
            parts = [encode(values.field(i), field.type) for i, field in enumerate(kind)]
            return pa.StructArray.from_arrays(parts, fields=list(kind), mask=values.is_null())
        count = 1 if pt.is_fixed_size_list(kind) else 2  # whether there are offsets
        parts = [encode(values.values, kind.field(0).type)]
        buffers = values.buffers()[:count]
        return pa.Array.from_buffers(kind, len(values), buffers, offset=values.offset, children=parts)

    return encode(plain.cast(_without_dictionaries(want.type)), want.type)


def _without_dictionaries(kind: pa.DataType) -> pa.DataType:
    """A type with the values of its dictionaries in their places."""
    if pt.is_dictionary(kind):
        return kind.value_type
    if not has_dictionary(kind):
        return kind
    if pt.is_map(kind):
        return pa.map_(*map(_without_dictionaries, (kind.key_type, kind.item_type)), kind.keys_sorted)
    fields = [kind.field(i).with_type(_without_dictionaries(kind.field(i).type)) for i in range(kind.num_fields)]
    if pt.is_struct(kind):
        return pa.struct(fields)
    if pt.is_fixed_size_list(kind):
        return pa.list_(fields[0], kind.list_size)
    return pa.large_list(fields[0]) if pt.is_large_list(kind) else pa.list_(fields[0])


def _require_keys(name: TableName, column: str, kind: pa.DictionaryType, values: int) -> None:
    most = _SHORT.get(kind.index_type)
    if most is not None and values > most:
        raise _too_many(name, column)


def _too_many(name: TableName, column: str) -> InvalidValueError:
    return InvalidValueError(
        f'Column "{column}" of table "{name}" is a dictionary whose keys are too short for the values of rows that are '
        f"written together; ALTER TABLE {name} ALTER {column} TYPE ... stores plain values."
    )


def _has_short_keys(kind: pa.DataType) -> bool:
    if pt.is_dictionary(kind):
        return kind.index_type in _SHORT
    if isinstance(kind, pa.BaseExtensionType):
        return _has_short_keys(kind.storage_type)
    return any(_has_short_keys(kind.field(i).type) for i in range(kind.num_fields))


def _dictionaries(column: pa.Array) -> Iterator[pa.DictionaryArray]:
    """The dictionaries with short keys in a column, in the order of its type."""
    kind = column.type
    if pt.is_dictionary(kind):
        if kind.index_type in _SHORT:
            yield column
    elif isinstance(kind, pa.BaseExtensionType):
        yield from _dictionaries(column.storage)
    elif pt.is_struct(kind):
        for part in column.flatten():
            yield from _dictionaries(part)
    elif pt.is_map(kind):
        yield from _dictionaries(column.keys)
        yield from _dictionaries(column.items)
    elif pt.is_list(kind) or pt.is_large_list(kind) or pt.is_fixed_size_list(kind):
        yield from _dictionaries(column.flatten())
