"""Fixed-size lists of structs, which Lance 14 reads one column at a time only.

It takes their items for rows, so that they do not fit the other columns, nor the other fields of a struct that they lie
in. Taken for the rows of a condition, such a column comes as it is, by itself. Inside of other lists and of maps, and
in files of an older format, there is no way to them.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.types as pt

from engine.errors import UnsupportedError
from engine.storage.protocol import ROW_ADDRESS

__all__ = ["are_read_together", "has_struct_arrays", "lie_apart", "require_read", "scan", "take", "unread_by_lance"]

_OLD_FORM = "2.0"
_OF_EVERY_ROW = f"{ROW_ADDRESS} >= 0"


def lies_apart(kind: pa.DataType) -> bool:
    """Whether a column of this type is read by itself only: fixed-size lists of structs, also as fields of a struct."""
    if pt.is_fixed_size_list(kind):
        return bool(pt.is_struct(kind.value_type))
    return pt.is_struct(kind) and any(lies_apart(field.type) for field in kind)


def has_struct_arrays(kind: pa.DataType) -> bool:
    """Whether values of this type have fixed-size lists of structs in them, at any depth."""
    return lies_apart(kind) or any(map(has_struct_arrays, _inside(kind)))


def unread_by_lance(kind: pa.DataType, form: str) -> str:
    """What in values of this type Lance writes into files of that format and does not read; empty: it reads all."""
    if form == _OLD_FORM and has_struct_arrays(kind):
        return f"fixed-size lists of structs in files of format {form}"
    if _hides_arrays(kind):
        return "fixed-size lists of structs inside of lists or maps"
    return "binary values of no bytes" if _is_empty_binary(kind) else ""


def require_read(dataset: Any, columns: Sequence[str]) -> None:
    """Raise UnsupportedError, by the column's name, where Lance does not read one in the form in which it lies."""
    form = dataset.data_storage_version
    for name, kind in _kinds(dataset, columns).items():
        if what := unread_by_lance(kind, form):
            raise UnsupportedError(
                f'The table was left as it was: its column "{name}" has {what}, which Lance does not read, and the '
                "statement would have to; change the table without that column, or drop it."
            )


def are_read_together(dataset: Any) -> bool:
    """Whether Lance reads any of the columns, one beside the other."""
    form = dataset.data_storage_version
    return not any(unread_by_lance(field.type, form) or lies_apart(field.type) for field in dataset.schema)


def lie_apart(dataset: Any, columns: Sequence[str]) -> list[str]:
    """Those of the columns that are read by themselves only."""
    return [name for name, kind in _kinds(dataset, columns).items() if lies_apart(kind)]


def scan(dataset: Any, columns: Sequence[str], **options: Any) -> pa.RecordBatchReader:
    """The columns, as a scanner of the dataset with these options gives them, in one stream."""
    require_read(dataset, columns)
    apart = lie_apart(dataset, columns)
    if not apart:
        return dataset.scanner(columns=list(columns), **options).to_reader()
    # An index would find the rows, and their columns be read together.
    options["use_scalar_index"] = False
    together = [column for column in columns if column not in apart]
    readers = [dataset.scanner(columns=together, **options).to_reader()] if together else []
    condition = options.pop("filter", None)
    options["filter"] = _OF_EVERY_ROW if condition is None else f"({condition}) AND {_OF_EVERY_ROW}"
    readers += [dataset.scanner(columns=[column], **options).to_reader() for column in apart]
    fields = {field.name: field for reader in readers for field in reader.schema}
    schema = pa.schema([fields[column] for column in columns])
    return pa.RecordBatchReader.from_batches(schema, _side_by_side(readers, schema))


def take(dataset: Any, addresses: pa.Array, columns: Sequence[str], **options: Any) -> pa.Table:
    """The columns of rows by their addresses, in that order; those that are gone are left out."""
    numbers = np.unique(addresses.to_numpy() >> np.uint64(32)) if len(addresses) else ()
    fragments = [f for f in map(dataset.get_fragment, map(int, numbers)) if f is not None]
    # Not the bare address, by which the rows would be taken, and their columns read together.
    condition = f"{ROW_ADDRESS} + 0 IN ({', '.join(map(str, addresses.to_pylist()))})"
    if not fragments:
        return dataset.schema.empty_table().select(list(columns))
    found = scan(dataset, [*columns, ROW_ADDRESS], filter=condition, fragments=fragments, **options).read_all()
    places = pc.index_in(addresses, found.column(ROW_ADDRESS).combine_chunks()).drop_null()
    return found.take(places).drop_columns([ROW_ADDRESS])


def _kinds(dataset: Any, columns: Sequence[str]) -> dict[str, pa.DataType]:
    """The types of those of the columns that are stored."""
    schema = dataset.schema  # which Lance makes anew whenever it is asked
    wanted = set(columns)
    return {field.name: field.type for field in schema if field.name in wanted}


def _side_by_side(readers: Sequence[pa.RecordBatchReader], schema: pa.Schema) -> Iterator[pa.RecordBatch]:
    """Batches of the columns of streams of the same rows, which are cut at different rows."""
    waiting = [_some_rows(reader) for reader in readers]
    while rows := min(batch.num_rows for batch in waiting):
        columns = {name: batch.column(name).slice(0, rows) for batch in waiting for name in batch.schema.names}
        yield pa.RecordBatch.from_arrays([columns[name] for name in schema.names], schema=schema)
        for i, batch in enumerate(waiting):
            waiting[i] = batch.slice(rows) if batch.num_rows > rows else _some_rows(readers[i])
    if any(batch.num_rows for batch in waiting):
        raise OSError("the columns of a Lance table have different numbers of rows")


def _some_rows(reader: pa.RecordBatchReader) -> pa.RecordBatch:
    """The next batch that is not empty; an empty one at the end."""
    found = next((batch for batch in reader if batch.num_rows), None)
    return pa.RecordBatch.from_pylist([], reader.schema) if found is None else found


def _inside(kind: pa.DataType) -> Iterator[pa.DataType]:
    return (kind.field(i).type for i in range(kind.num_fields))


def _hides_arrays(kind: pa.DataType) -> bool:
    """Whether there are fixed-size lists of structs where Lance does not come to them."""
    if pt.is_struct(kind):
        return any(map(_hides_arrays, _inside(kind)))
    inside = _inside(kind.value_type if lies_apart(kind) else kind)
    return any(map(has_struct_arrays, inside))


def _is_empty_binary(kind: pa.DataType) -> bool:
    if pt.is_fixed_size_binary(kind):
        return bool(kind.byte_width == 0)
    return any(map(_is_empty_binary, _inside(kind)))
