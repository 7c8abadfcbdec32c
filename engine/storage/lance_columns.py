"""Columns of a Lance dataset that change while the others stay as they are.

New columns for a fragment lie in a data file beside those that it has. It has a value for each physical row: the new
ones, the present ones of rows that do not change, and any one in the place of rows that are deleted. The older files
keep their bytes, and a mark that the columns are not read from them any more::

    before   a.lance: fields 0, 1, 2
    after    a.lance: fields 0, 1, -2    b.lance: field 2
"""

from __future__ import annotations

import uuid
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import lance
import numpy as np
import pyarrow as pa
import pyarrow.types as pt
from lance.file import LanceFileWriter
from lance.fragment import DataFile

from engine.errors import InvalidValueError
from engine.storage.lance_blobs import is_blob
from engine.storage.lance_fields import field_ids, may_change, with_field
from engine.storage.protocol import DropField, NoteField, RenameField, TableName

__all__ = ["alter_field", "with_columns"]

_DEAD = -2  # stands for a field that another file has
_OFFSET = np.uint64(0xFFFFFFFF)


def alter_field(name: TableName, dataset: Any, change: DropField | RenameField | NoteField) -> bool:
    """Commit a change of one field, which writes no data; False, and nothing is done, where Lance cannot."""
    match change:
        case DropField(column):
            _drop_indexes(dataset, column)
            dataset.drop_columns([f"`{column}`"])
        case RenameField(column, to):
            dataset.alter_columns({"path": f"`{column}`", "name": to})
        case NoteField(column, metadata, bool(nullable)):
            field = dataset.schema.field(column).with_metadata(metadata).with_nullable(nullable)
            known = next(each for each in dataset.lance_schema.fields() if each.name() == column)
            if not may_change(dataset.lance_schema, column):
                return False
            if not nullable and _has_nulls(dataset, column):
                raise InvalidValueError(f'Column "{column}" of table "{name}" takes no NULLs; the data has some.')
            schema = with_field(dataset.lance_schema, field, list(field_ids([known])))
            operation = lance.LanceOperation.Project(schema)
            lance.LanceDataset.commit(dataset.uri, operation, read_version=dataset.version)
        case NoteField(column, metadata):
            noted = {key.decode(): value.decode() for key, value in metadata.items()}
            dataset.update_field_metadata({f"`{column}`": noted}, replace=True)
    return True


def _drop_indexes(dataset: Any, column: str) -> None:
    """Commit that a column has no indexes, before it goes.

    Who takes rows into one meanwhile is refused then. Lance takes a column that went for no conflict: the index would
    be one of no column, and no scan with a filter, and no change of rows, would work any more.
    """
    own = set(field_ids([field for field in dataset.lance_schema.fields() if field.name() == column]))
    for index in dataset.describe_indices():
        if not own.isdisjoint(index.fields):
            dataset.drop_index(index.name)


def _has_nulls(dataset: Any, column: str) -> bool:
    return bool(dataset.scanner(filter=f"`{column}` IS NULL", use_scalar_index=False).count_rows())


def with_columns(path: Path, fragment: Any, addresses: pa.Array, values: pa.Table) -> tuple[Any, list[int]]:
    """The metadata of `fragment` with new values for the rows of these addresses, and the ids of their fields.

    Writes one file, which no version names yet.
    """
    dataset = fragment._ds
    names = values.schema.names
    own = {field.name(): field.id() for field in dataset.lance_schema.fields()}
    ids = [own[name] for name in names]
    files = fragment.metadata.files
    if not _is_simple(fragment, values.schema, ids):
        # A slice of structs has parts of other lengths than its own, which the join of Lance does not heed.
        own = values.append_column("_rowaddr", addresses).take(pa.array(np.arange(values.num_rows)))
        metadata, modified = fragment.update_columns(own, left_on="_rowaddr")
        # Lance tells of those that have values alone: a list's index is on the list, whose items have them.
        fields = [field for field in dataset.lance_schema.fields() if field.id() in ids]
        return metadata, sorted({*modified, *field_ids(fields)})
    name = f"{uuid.uuid4().hex}.lance"
    file = path / "data" / name
    version = f"{files[0].file_major_version}.{files[0].file_minor_version}"
    with LanceFileWriter(str(file), values.schema, version=version) as writer:
        for batch in _physical_rows(fragment, addresses, values).to_batches():
            writer.write_batch(batch)
    kept = [_without(old, ids) for old in files if not set(ids).issuperset(old.fields)]
    size = file.stat().st_size
    first = files[0]
    new = DataFile(name, ids, list(range(len(ids))), first.file_major_version, first.file_minor_version, size)
    return replace(fragment.metadata, files=[*kept, new]), ids


def _without(file: DataFile, ids: Sequence[int]) -> DataFile:
    fields = [_DEAD if field in ids else field for field in file.fields]
    versions = file.file_major_version, file.file_minor_version
    return DataFile(file.path, fields, file.column_indices, *versions, file.file_size_bytes, file.base_id)


def _is_simple(fragment: Any, schema: pa.Schema, ids: Sequence[int]) -> bool:
    """Whether each of the columns is one column of a file too, in a format that has them so."""
    metadata = fragment.metadata
    known = {field for file in metadata.files for field in file.fields}
    return (
        all(file.file_major_version == 2 and file.base_id is None for file in metadata.files)
        and not metadata.overlays
        and known.issuperset(ids)
        and not any(map(_has_parts, schema.types))
        and not any(map(is_blob, schema))
    )


def _has_parts(kind: pa.DataType) -> bool:
    return bool(pt.is_nested(kind) or pt.is_dictionary(kind) or isinstance(kind, pa.BaseExtensionType))


def _physical_rows(fragment: Any, addresses: pa.Array, values: pa.Table) -> pa.Table:
    """A value for each physical row of the fragment."""
    count = fragment.metadata.physical_rows
    places = np.zeros(count, np.int64)
    new = (addresses.to_numpy() & _OFFSET).astype(np.int64)
    if len(new) < count - fragment.metadata.num_deletions:
        present = fragment.scanner(columns=values.schema.names, with_row_address=True).to_table()
        old = (present["_rowaddr"].to_numpy() & _OFFSET).astype(np.int64)
        places[old] = len(new) + np.arange(len(old))
        values = pa.concat_tables([values, present.drop_columns(["_rowaddr"]).cast(values.schema)])
    places[new] = np.arange(len(new))
    if len(places) == values.num_rows and np.array_equal(places, np.arange(count)):
        return values
    return values.take(pa.array(places))
