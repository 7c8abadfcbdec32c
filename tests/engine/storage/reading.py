"""Reading what a storage gives, as the kernel would, and small data to write."""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator
from functools import cache
from pathlib import Path
from typing import Any

import duckdb
import pyarrow as pa

from engine.storage import KernelSource, ScanRequest, Source, Split, Storage, TableHandle, TableName, WriteMode
from engine.storage.lance_commits import FOLDERS

__all__ = ["MAIN_T", "as_if_long_ago", "numbers", "put", "read", "read_all", "reader", "rows_of_splits"]

MAIN_T = TableName("main", "t")


def numbers(start: int, stop: int) -> pa.Table:
    """Rows with the column `i` from `start` up to `stop`, and its text in `s`."""
    texts = pa.array([f"row {i}" for i in range(start, stop)], pa.string())
    return pa.table({"i": pa.array(range(start, stop), pa.int64()), "s": texts})


def reader(data: pa.Table, batch_rows: int = 1000) -> pa.RecordBatchReader:
    """`data` as a stream."""
    return pa.RecordBatchReader.from_batches(data.schema, data.to_batches(max_chunksize=batch_rows))


def put(storage: Storage, data: pa.Table, mode: WriteMode = WriteMode.CREATE, name: TableName = MAIN_T) -> int:
    """Write `data`."""
    return storage.write(name, reader(data), mode)


@cache
def _kernel() -> duckdb.DuckDBPyConnection:
    return duckdb.connect()


def read(source: Source) -> pa.Table:
    """All rows of a source."""
    if isinstance(source, KernelSource):
        return _kernel().sql(source.query.sql("duckdb")).to_arrow_table()
    return source.data.read_all() if isinstance(source.data, pa.RecordBatchReader) else source.data


def read_all(storage: Storage, handle: TableHandle | Split, *columns: str, **request: Any) -> list[tuple[Any, ...]]:
    """The rows of a handle or split as tuples."""
    table = read(storage.open(handle, ScanRequest(columns or ("i",), **request)))
    return list(zip(*(column.to_pylist() for column in table.columns), strict=True))


def rows_of_splits(storage: Storage, splits: Iterable[Split], *columns: str) -> Iterator[tuple[Any, ...]]:
    """The rows of all splits, in order; each split must hold as many as it says."""
    for split in splits:
        rows = read_all(storage, split, *columns)
        assert split.rows is None or len(rows) == split.rows
        yield from rows


def as_if_long_ago(table: Path) -> None:
    """Let the files of a Lance table be an hour older, so that no other tool is taken to be writing to it."""
    for file in (file for folder in FOLDERS for file in (table / folder).rglob("*")):
        os.utime(file, (file.stat().st_atime, file.stat().st_mtime - 3600))
