"""Files that the kernel refuses whole for the type of one column, BSON: pyarrow reads their other columns.

Arrow writes no BSON, so that such a file carries no Arrow schema, and what pyarrow gives has Arrow's plain types only.
Nothing is pushed into the files but the choice of columns.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path

import pyarrow as pa
import pyarrow.dataset as ds
import pyarrow.parquet as pq
from pyarrow import fs

from engine.arrow_input import StreamGuard
from engine.kernel_types import parse_type
from engine.schema import RowType
from engine.storage.parquet.inspection import FileColumn, FileSchema
from engine.storage.parquet.trust import Guard
from engine.storage.protocol import ArrowSource

__all__ = ["arrow_schema", "arrow_source"]

_PROBLEM = "it is BSON, of which the kernel knows nothing"


def arrow_schema(path: str, types: Callable[[pa.Table], RowType]) -> FileSchema | None:
    """The schema of a file with BSON; None for any other, and for one whose columns SQL could not tell apart.

    `types` are the kernel's for the columns of a table.
    """
    try:
        metadata = pq.read_metadata(path)
        schema = metadata.schema.to_arrow_schema()
    except (pa.ArrowException, OSError):
        return None
    leaves = [metadata.schema.column(i) for i in range(len(metadata.schema))]
    found = [leaf.path for leaf in leaves if leaf.converted_type == "BSON"]
    known = {name.lower() for name in schema.names}
    if not found or len(known) < len(schema) or b"ARROW:schema" in (metadata.metadata or {}):
        return None
    is_bson = {name: any(path == name or path.startswith(f"{name}.") for path in found) for name in schema.names}
    told = {c.name: c.type for c in types(pa.schema([f for f in schema if not is_bson[f.name]]).empty_table())}
    return FileSchema(
        tuple(
            FileColumn(
                each.name,
                each.name,
                parse_type(told.get(each.name, "BLOB")),
                Guard.NONE,
                _PROBLEM if is_bson[each.name] else None,
                not each.nullable,
            )
            for each in schema
        ),
        can_have_nan=False,
        by_arrow=True,
    )


def arrow_source(paths: Sequence[str], columns: Sequence[str]) -> ArrowSource:
    """The columns of files of one kind, in their order; as many NULLs as there are rows where none is asked for."""
    # Below a folder of their own the files have no other names in messages.
    folder = str(Path(paths[0]).parent)
    local = fs.SubTreeFileSystem(folder, fs.LocalFileSystem())
    names = [str(Path(path).relative_to(folder)) for path in paths]
    dataset = ds.dataset(names, format="parquet", filesystem=local)
    if not columns:
        return ArrowSource(pa.table({"present": pa.nulls(dataset.count_rows())}))
    reader = dataset.scanner(columns=list(columns), fragment_readahead=1, batch_readahead=1).to_reader()
    return ArrowSource(StreamGuard(reader.schema).reader(reader))
