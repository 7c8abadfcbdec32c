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

__all__ = ["DictionaryKeys", "into_dictionary"]

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


def into_dictionary(name: TableName, column: pa.Array, want: pa.Field) -> pa.Array:
    """`column` as a dictionary of its own values and no others, for the column `want` of a table.

    Raises InvalidValueError where they are more than the keys tell apart, ArrowException where they do not fit.
    """
    plain = column.dictionary_decode() if pt.is_dictionary(column.type) else column
    encoded = plain.cast(want.type.value_type).dictionary_encode()
    _require_keys(name, want.name, want.type, len(encoded.dictionary))
    return encoded.cast(want.type)


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
