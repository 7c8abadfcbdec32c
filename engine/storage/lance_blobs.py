"""Lance blobs: large binary values that lie beside the rows, so that who does not name them does not read them.

A file of format 2.1 has them in a part of its own, a later one in files beside it: ``data/a/1.blob``.
Either way they are written as binary columns with a mark. A scan gives them where that is asked for, and else where
they lie; what is written back from such a scan has lost them.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.types as pt

from engine.arrow_input import extension_name
from engine.storage import lance_apart
from engine.storage.protocol import ROW_ADDRESS

__all__ = [
    "BLOB_MARK",
    "has_blobs",
    "is_blob",
    "is_marked",
    "lies_in_files",
    "move_data_file",
    "scan_options",
    "take_rows",
    "written_fields",
]

BLOB_MARK = b"lance-encoding:blob"
_EXTENSION = "lance.blob"
_ARROW = b"ARROW:"
_HELD_BYTES = 16 << 20  # of blobs that are in memory at once


def is_marked(field: pa.Field) -> bool:
    """Whether a field says that its values are blobs."""
    return bool((field.metadata or {}).get(BLOB_MARK, b"false").lower() == b"true")


def is_blob(field: pa.Field) -> bool:
    """Whether the values of a column are blobs."""
    kind = field.type
    return (is_marked(field) and (pt.is_binary(kind) or pt.is_large_binary(kind))) or lies_in_files(field)


def has_blobs(field: pa.Field) -> bool:
    """Whether a column is said to have blobs, itself or inside of its values."""
    inside = (field.type.field(i) for i in range(field.type.num_fields))
    return is_marked(field) or lies_in_files(field) or any(map(has_blobs, inside))


def lies_in_files(field: pa.Field) -> bool:
    """Whether the values of a column are blobs of the later form, in files beside those of the rows."""
    return extension_name(field).startswith(_EXTENSION)


def written_fields(schema: pa.Schema) -> pa.Schema:
    """`schema` of a dataset in the form in which its rows are written, and read where values are wanted."""
    return pa.schema([_written_field(field) if is_blob(field) else field for field in schema], schema.metadata)


def _written_field(field: pa.Field) -> pa.Field:
    noted = {key: value for key, value in (field.metadata or {}).items() if not key.startswith(_ARROW)}
    return pa.field(field.name, pa.large_binary(), field.nullable, {**noted, BLOB_MARK: b"true"})


def scan_options(fields: Sequence[pa.Field]) -> dict[str, str]:
    """What a scan of these columns is to be told."""
    return {"blob_handling": "all_binary"} if any(map(is_blob, fields)) else {}


def take_rows(dataset: Any, addresses: pa.Array, columns: Sequence[str]) -> Iterator[pa.RecordBatch]:
    """Rows by their addresses, in that order, in parts that are not large. Those that are gone are left out."""
    found = _take_places(dataset, addresses, columns).combine_chunks()
    schema = dataset.schema  # which Lance makes anew whenever it is asked
    blobs = [column for column in columns if is_blob(schema.field(column))]
    if found.num_rows != len(addresses) or not found.num_rows or not blobs:
        yield from found.to_batches()
        return
    size = np.zeros(len(addresses), np.int64)
    for column in blobs:
        size += found[column].combine_chunks().field("size").fill_null(0).to_numpy().astype(np.int64)
    part = np.cumsum(size) // _HELD_BYTES
    starts = [0, *(np.flatnonzero(np.diff(part)) + 1).tolist(), len(addresses)]
    for start, stop in pairwise(starts):
        own = addresses.slice(start, stop - start)
        rows = found.slice(start, stop - start)
        for column in blobs:
            values = dict(dataset.read_blobs(column, addresses=own.to_pylist()))
            array = pa.array([values[address] for address in own.to_pylist()], pa.large_binary())
            rows = rows.set_column(rows.schema.names.index(column), _written_field(schema.field(column)), array)
        yield from rows.combine_chunks().to_batches()


def _take_places(dataset: Any, addresses: pa.Array, columns: Sequence[str]) -> pa.Table:
    """Rows as a scan gives them, with the places of blobs; Lance takes them by their ids, which may be others."""
    lance_apart.require_read(dataset, columns)
    if lance_apart.lie_apart(dataset, columns):
        return lance_apart.take(dataset, addresses, columns)
    if not dataset.has_stable_row_ids:
        return dataset._take_rows(addresses, columns=list(columns))
    condition = f"{ROW_ADDRESS} IN ({', '.join(map(str, addresses.to_pylist()))})"
    found = dataset.scanner(columns=[*columns, ROW_ADDRESS], filter=condition).to_table()
    places = pc.index_in(addresses, found.column(ROW_ADDRESS).combine_chunks()).drop_null()
    return found.take(places).drop_columns([ROW_ADDRESS])


def move_data_file(file: str, folder: Path, to: Path) -> None:
    """Move a data file, and the blobs that lie beside it, from one dataset's folder to another's."""
    (folder / file).rename(to / file)
    beside = (folder / file).with_suffix("")
    if beside.is_dir():
        beside.rename((to / file).with_suffix(""))
