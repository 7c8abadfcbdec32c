"""Rows of a Lance table that are written where they are made: each part by the process that computes it.

The writers fill a hidden folder beside the table. From there the files that count are moved into the table's own folder
just before one version names them. What lost attempts left goes with the hidden folder::

    .t.lance.5f0c.tmp/data/  a.lance  b.lance  c.lance     b: of an attempt whose process died
    t.lance/data/            a.lance  c.lance              named by the new version
"""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import pyarrow as pa
from lance.fragment import DataFile, FragmentMetadata, write_fragments

from engine.errors import StorageError
from engine.storage.conform import Incoming
from engine.storage.lance_blobs import move_data_file
from engine.storage.lance_commits import run_write
from engine.storage.lance_fields import field_ids
from engine.storage.lance_formats import new_format
from engine.storage.protocol import FragmentWriters, TableName

__all__ = [
    "FolderOutOfReachError",
    "LanceSink",
    "gather_in",
    "remove_if_late",
    "schema_as_written",
    "written_elsewhere",
]

_GATHERING = ".gathering"
"""The file in the hidden folder by which writers know that somebody wants what they write."""


class FolderOutOfReachError(StorageError):
    """Who computes the rows does not reach the folder of the table. Nothing was written."""


@dataclass(frozen=True)
class LanceSink:
    """Writes parts of the rows of a table into `folder`, in any process on a machine that has it; picklable.

    The rows are cast to the schema `given`, by their places, and then checked and cast as those that come in a stream.
    `version` is that of the file format; None for new tables.
    """

    table: TableName
    folder: str
    given: pa.Schema
    schema: pa.Schema
    is_valid: bool
    version: str | None

    def write(self, rows: pa.RecordBatchReader) -> list[str]:
        """Write all `rows`; returns the fragments that hold them, each as text. Raises what writing a table raises."""
        if not os.access(self.folder, os.W_OK | os.X_OK):
            raise FolderOutOfReachError(f'Table "{self.table}" is not to be reached from where its rows are made.')
        given = pa.RecordBatchReader.from_batches(self.given, self._as_given(rows))
        incoming = Incoming(self.table, given, self.schema, self.is_valid)
        options = {"mode": "create", "data_storage_version": self.version}
        try:
            written = run_write(
                self.table, incoming, lambda: write_fragments(incoming.reader(), self.folder, **options)
            )
            incoming.keys.require_readable(Path(self.folder), written)
        finally:
            remove_if_late(self.folder)
        return [json.dumps(fragment.to_json()) for fragment in written if fragment.physical_rows]

    def _as_given(self, rows: pa.RecordBatchReader) -> Iterator[pa.RecordBatch]:
        for batch in rows:
            columns = [column.cast(field.type) for column, field in zip(batch.columns, self.given, strict=True)]
            yield pa.RecordBatch.from_arrays(columns, schema=self.given)


def gather_in(folder: Path) -> None:
    """Let writers know that somebody wants what they write into a hidden folder."""
    (folder / _GATHERING).touch()


def remove_if_late(folder: str) -> None:
    """Remove a hidden folder that was given up meanwhile: what came late is nobody's."""
    if not (Path(folder) / _GATHERING).exists():
        shutil.rmtree(folder, ignore_errors=True)


def written_elsewhere(
    incoming: Incoming, writers: FragmentWriters, folder: Path, path: Path, dataset: Any, *, anew: bool
) -> list[Any]:
    """The fragments of rows that the `writers` put into `folder`; the files are below `path` now, named by no version.

    `dataset` is what is there, None where nothing is. The fragments number its fields as it does, or, for one that is
    written `anew`, from 0.
    """
    version = None if dataset is None else new_format(dataset)
    sink = LanceSink(incoming.table, str(folder), incoming.given, incoming.schema, incoming.is_valid, version)
    gather_in(folder)
    fragments = [FragmentMetadata.from_json(text) for text in writers(sink)]
    incoming.rows = sum(fragment.physical_rows for fragment in fragments)
    (path / "data").mkdir(exist_ok=True)  # a dataset that never had rows has none
    for file in (file for fragment in fragments for file in fragment.files):
        move_data_file(f"data/{file.path}", folder, path)
    if anew or dataset is None:
        return fragments
    ids = list(field_ids(dataset.lance_schema.fields()))
    return [replace(fragment, files=[_renumber(file, ids) for file in fragment.files]) for fragment in fragments]


def schema_as_written(schema: pa.Schema, folder: Path, dataset: Any) -> Any:
    """Lance's own schema of what `written_elsewhere` gives for a dataset that is new, or written anew.

    Blobs in their later form have parts, which have numbers too.
    """
    version = None if dataset is None else new_format(dataset)
    options = {"mode": "create", "data_storage_version": version, "return_transaction": True}
    return write_fragments(pa.Table.from_batches([], schema), str(folder), **options).operation.new_schema


def _renumber(file: DataFile, ids: Sequence[int]) -> DataFile:
    fields = [ids[field] for field in file.fields]
    versions = file.file_major_version, file.file_minor_version
    return DataFile(file.path, fields, file.column_indices, *versions, file.file_size_bytes, file.base_id)
