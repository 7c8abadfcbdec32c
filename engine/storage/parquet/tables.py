"""ParquetTables: handles, splits and sources of tables of Parquet files.

A table's version is a fingerprint of its files; there are no others to go back to. A part of a table is a row range of
each of its files, which the kernel turns into row groups to skip by ``file_row_number BETWEEN a AND b``.
"""

from __future__ import annotations

import hashlib
import logging
from collections.abc import Iterable, Sequence
from datetime import datetime
from pathlib import Path

import pyarrow as pa
from sqlglot import exp

from engine.cache import LruCache
from engine.cancellation import require_answer
from engine.errors import GrismError, StorageError, UnsupportedError
from engine.storage.care import StoredFacts
from engine.storage.cutting import Piece, cut
from engine.storage.listing import ParquetFile, parquet_files
from engine.storage.parquet.arrow_files import arrow_schema, arrow_source
from engine.storage.parquet.footers import Footer, Footers, damage_error
from engine.storage.parquet.inspection import FileSchema, Inspector
from engine.storage.parquet.layout import Layout, Reading, make_layout
from engine.storage.parquet.partitions import HiveTypes, hive_types
from engine.storage.parquet.sources import ROW_NUMBER, FileRows, require_readable, select_rows
from engine.storage.protocol import (
    ArrowSource,
    KernelSource,
    ScanCaps,
    ScanRequest,
    Split,
    TableHandle,
    TableName,
    Version,
)

__all__ = ["KIND", "ParquetTables"]

KIND = "parquet"
CAPS = ScanCaps()
KEPT_SOURCES = 1024
KEPT_LAYOUTS = 512
KEPT_SCHEMAS = 4096

log = logging.getLogger(__name__)

FilePart = tuple[str, int, int, int, int]
"""A file's relative place, time of change and size, and the rows from .. up to that are wanted (-1: all)."""
Parts = tuple[tuple[Reading, tuple[FilePart, ...]], ...]
"""The files of a split by how they are read."""


class ParquetTables:
    """Handles, splits and sources of Parquet tables below `root`. Thread-safe."""

    def __init__(self, root: Path) -> None:
        self._root = root
        self._inspector = Inspector(str(root))
        self._footers = Footers(self._inspector)
        self._schemas: LruCache[str, FileSchema] = LruCache(KEPT_SCHEMAS)
        self._layouts: LruCache[tuple[object, ...], Layout] = LruCache(KEPT_LAYOUTS)
        self._sources: LruCache[tuple[object, ...], KernelSource] = LruCache(KEPT_SOURCES)

    def handle(
        self, name: TableName, path: str, version: Version | None = None, at: datetime | None = None
    ) -> TableHandle:
        """The table as its files are now.

        Raises UnsupportedError where another version is asked for or the folder is a table of another format, and
        DataCorruptError where a footer cannot be read.
        """
        if version is not None or at is not None:
            raise UnsupportedError(
                f'Table "{name}" is made of Parquet files, which keep no versions; read it as it is.'
            )
        files = parquet_files(path, self._root)
        footers = self._footers.read(name, files)
        rows, size = sum(f.rows for f in footers), sum(f.bytes for f in footers)
        return TableHandle(name, KIND, (path,), _fingerprint(files), rows, size, CAPS)

    def probe(self, table: TableHandle) -> KernelSource:
        """Every column of the files, and those of the hive partitions, without rows."""
        layout = self._layout(table, self._pinned_files(table))
        items = [
            exp.alias_(exp.Cast(this=exp.null(), to=_type(column.type)), exp.to_identifier(column.name, quoted=True))
            for column in layout.columns
        ]
        return KernelSource(exp.select(*items).limit(0), layout.required)

    def stored_facts(self, table: TableHandle) -> StoredFacts:
        """How many files the table has."""
        return StoredFacts(len(parquet_files(table.location[0], self._root)))

    def splits(self, table: TableHandle, target: int) -> list[Split]:
        """Parts of about equal numbers of rows, cut where files and row groups end if that is near."""
        files = self._pinned_files(table)
        footers = self._footers.read(table.name, files)
        layout = self._layout(table, files)
        by_arrow = any(reading.by_arrow for reading in layout.readings.values())
        if by_arrow or any(column.name.lower() == ROW_NUMBER for column in layout.columns):
            # A column of that name hides the kernel's own, so only whole files can be parts.
            groups = [[Piece(i, 0, f.rows)] for i, f in enumerate(footers)]
        else:
            groups = cut([f.rows for f in footers], target, [f.ends for f in footers])
        if len(groups) <= 1:
            groups = [[Piece(i, 0, f.rows) for i, f in enumerate(footers)]]
        return [self._split(table, files, footers, pieces, layout) for pieces in groups]

    def open(self, data: TableHandle | Split, request: ScanRequest) -> KernelSource | ArrowSource:
        """A SELECT over the files. The kernel pushes what stands above it into the files by itself.

        It is the same object each time for the same columns of a table. Files with BSON are read as Arrow data. Raises
        StorageError where the files are no longer those of the handle, UnsupportedError for a column that cannot be
        read, and DataCorruptError.
        """
        limit = request.limit if request.filter is None else None
        if isinstance(data, Split):
            hive, parts = data.part
            rows = self._rows_of_parts(data.table, parts)
            if rows[0].reading.by_arrow:
                return _arrow_source(data.table.name, rows[0], request.columns)
            return KernelSource(_limit(select_rows(data.table.name, request.columns, rows, hive), limit))
        files = self._pinned_files(data)
        key = (data.location, data.version, request.columns, limit)
        source = self._sources.get(key)
        if source is None:
            rows = self._rows_of_table(data, files)
            if rows[0].reading.by_arrow:
                return _arrow_source(data.name, rows[0], request.columns)
            hive = self._layout(data, files).hive
            source = KernelSource(_limit(select_rows(data.name, request.columns, rows, hive), limit))
            self._sources.put(key, source)
        return source

    def _rows_of_table(self, table: TableHandle, files: Sequence[ParquetFile]) -> list[FileRows]:
        layout = self._layout(table, files)
        paths: dict[Reading, list[str]] = {}
        for file, footer in zip(files, self._footers.read(table.name, files), strict=True):
            paths.setdefault(layout.readings[footer.kind], []).append(file.path)
        return [FileRows(tuple(found), reading) for reading, found in paths.items()]

    def _layout(self, table: TableHandle, files: Sequence[ParquetFile]) -> Layout:
        key = (table.location, table.version)
        layout = self._layouts.get(key)
        if layout is None:
            kinds = [footer.kind for footer in self._footers.read(table.name, files)]
            first: dict[str, str] = {}
            for file, kind in zip(files, kinds, strict=True):
                first.setdefault(kind, file.path)
            schemas = {kind: self._schema(table.name, kind, path) for kind, path in first.items()}
            hive = hive_types(files)
            if (len(schemas) > 1 or hive) and any(schema.by_arrow for schema in schemas.values()):
                raise UnsupportedError(
                    f'Table "{table.name}" cannot be read: some of its files have BSON, and such are read only where '
                    "all are from one writer, with the same columns and no partitions."
                )
            layout = make_layout(list(zip(files, kinds, strict=True)), schemas, hive, self._inspector)
            self._layouts.put(key, layout)
        return layout

    def _schema(self, table: TableName, kind: str, path: str) -> FileSchema:
        schema = self._schemas.get(kind)
        if schema is None:
            try:
                schema = self._inspector.schema(path)
            except GrismError as error:
                require_answer(error)
                schema = arrow_schema(path, self._inspector.types)
                if schema is None:
                    log.warning("A Parquet file of table %s cannot be read: %s", table, error)
                    raise damage_error(table) from None
            self._schemas.put(kind, schema)
        return schema

    def _split(
        self,
        table: TableHandle,
        files: Sequence[ParquetFile],
        footers: Sequence[Footer],
        pieces: Sequence[Piece],
        layout: Layout,
    ) -> Split:
        parts: dict[Reading, list[FilePart]] = {}
        size = 0
        for piece in pieces:
            file, footer = files[piece.unit], footers[piece.unit]
            whole = piece.rows == footer.rows
            part = _part(file) if whole else _part(file, piece.start, piece.stop)
            parts.setdefault(layout.readings[footer.kind], []).append(part)
            size += footer.bytes * piece.rows // max(1, footer.rows)
        described: tuple[HiveTypes, Parts] = layout.hive, tuple((r, tuple(found)) for r, found in parts.items())
        return Split(table, described, sum(p.rows for p in pieces), size)

    def _rows_of_parts(self, table: TableHandle, parts: Parts) -> list[FileRows]:
        """Whole files are read together, each row range by itself."""
        found: list[FileRows] = []
        for reading, file_parts in parts:
            paths = [(self._unchanged_path(table, part), part[3], part[4]) for part in file_parts]
            whole = tuple(path for path, _, stop in paths if stop < 0)
            found.extend([FileRows(whole, reading)] if whole else [])
            found.extend(FileRows((path,), reading, start, stop) for path, start, stop in paths if stop >= 0)
        return found

    def _pinned_files(self, table: TableHandle) -> list[ParquetFile]:
        files = parquet_files(table.location[0], self._root)
        if _fingerprint(files) != table.version:
            raise _change_error(table.name)
        return files

    def _unchanged_path(self, table: TableHandle, part: FilePart) -> str:
        """The file's path; StorageError where it is no longer the file that the part describes."""
        relative, mtime_ns, size, *_ = part
        path = str(Path(table.location[0]) / relative) if relative else table.location[0]
        try:
            stat = Path(path).stat()
        except OSError:
            raise _change_error(table.name) from None
        if (stat.st_mtime_ns, stat.st_size) != (mtime_ns, size):
            raise _change_error(table.name)
        return path


def _arrow_source(table: TableName, rows: FileRows, columns: Sequence[str]) -> ArrowSource:
    """Raises as `ParquetTables.open`."""
    items = dict(rows.reading.items)
    for name in columns:
        if name in items:
            require_readable(table, name, items[name])
    try:
        return arrow_source(rows.paths, columns)
    except (pa.ArrowException, OSError) as error:
        log.warning("A Parquet file of table %s cannot be read: %s", table, error)
        raise damage_error(table) from None


def _type(kind: str) -> exp.DataType:
    return exp.DataType(this=exp.DataType.Type.USERDEFINED, kind=kind)


def _fingerprint(files: Iterable[ParquetFile]) -> str:
    digest = hashlib.sha256()
    for file in files:
        digest.update(f"{file.relative}\0{file.mtime_ns}\0{file.size}\0".encode())
    return digest.hexdigest()[:16]


def _change_error(name: TableName) -> StorageError:
    return StorageError(f'The files of table "{name}" changed while the query ran; run it again.')


def _part(file: ParquetFile, start: int = 0, stop: int = -1) -> FilePart:
    return file.relative, file.mtime_ns, file.size, start, stop


def _limit(query: exp.Select, limit: int | None) -> exp.Select:
    return query if limit is None else query.limit(limit)
