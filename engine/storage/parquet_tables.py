"""Tables of Parquet files, read in place by the kernel.

Statistics come from the files' footers, which are kept by (path, time of change, size). A table's version is a
fingerprint of its files; there are no others to go back to. A part of a table is a row range of each of its files,
which the kernel turns into row groups to skip by ``file_row_number BETWEEN a AND b``.
"""

from __future__ import annotations

import hashlib
import logging
import re
import threading
from collections import OrderedDict
from collections.abc import Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from datetime import date, datetime
from itertools import accumulate
from pathlib import Path
from urllib.parse import unquote

import pyarrow as pa
import pyarrow.parquet as pq
from sqlglot import exp

from engine.cache import LruCache
from engine.errors import DataCorruptError, StorageError, UnsupportedError
from engine.storage.cutting import Piece, cut
from engine.storage.listing import ParquetFile, parquet_files
from engine.storage.protocol import KernelSource, ScanCaps, ScanRequest, Split, TableHandle, TableName

__all__ = ["KIND", "ParquetTables"]

KIND = "parquet"
CAPS = ScanCaps(predicate_pushdown=True, projection_pushdown=True, limit_pushdown=True)
ROW_NUMBER, FILE_INDEX = "file_row_number", "file_index"
NULL_PARTITION = "__HIVE_DEFAULT_PARTITION__"
KEPT_FOOTERS = 20_000
KEPT_SOURCES = 1024
FOOTER_THREADS = 8

log = logging.getLogger(__name__)

FilePart = tuple[str, int, int, int, int]
"""A file's relative place, time of change and size, and the rows from .. up to that are wanted (-1: all)."""
HiveTypes = tuple[tuple[str, str], ...]


@dataclass(frozen=True)
class _Footer:
    """What is known of a file: rows, uncompressed bytes, where its row groups end, its top-level columns and types."""

    rows: int
    bytes: int
    ends: tuple[int, ...]
    columns: tuple[str, ...]
    types: int


class ParquetTables:
    """Handles, splits and sources of Parquet tables below `root`. Thread-safe."""

    def __init__(self, root: Path) -> None:
        self._root = root
        self._footers: OrderedDict[tuple[str, int, int], _Footer] = OrderedDict()
        self._lock = threading.Lock()
        self._sources: LruCache[tuple[object, ...], KernelSource] = LruCache(KEPT_SOURCES)

    def handle(self, name: TableName, path: str, version: str | None = None, at: datetime | None = None) -> TableHandle:
        """The table as its files are now.

        Raises UnsupportedError where another version is asked for, DataCorruptError where a footer cannot be read or
        a file lacks a column of the first.
        """
        if version is not None or at is not None:
            raise UnsupportedError(
                f'Table "{name}" is made of Parquet files, which keep no versions; read it as it is.'
            )
        files = parquet_files(path, self._root)
        footers = self._read_footers(name, files)
        rows, size = sum(f.rows for f in footers), sum(f.bytes for f in footers)
        return TableHandle(name, KIND, (path,), _fingerprint(files), rows, size, CAPS)

    def probe(self, table: TableHandle) -> KernelSource:
        """Every column of the first file, and those of the hive partitions."""
        files = self._pinned(table)
        hive = _hive_types(files)
        surplus = [key for key in _partitions(str(Path(files[0].path).parent)) if key not in dict(hive)]
        star: exp.Expression = exp.Star()
        if hive and surplus:
            # The kernel reads partitions out of the whole path, those above the table too.
            star.set("except_", [exp.to_identifier(key, quoted=True) for key in surplus])
        return KernelSource(exp.select(star).from_(_read_parquet([f.path for f in files], hive)))

    def splits(self, table: TableHandle, target: int) -> list[Split]:
        """Parts of about equal numbers of rows, cut where files and row groups end if that is near."""
        files = self._pinned(table)
        footers = self._read_footers(table.name, files)
        hive = _hive_types(files)
        if any(column.lower() in (ROW_NUMBER, FILE_INDEX) for f in footers for column in f.columns):
            # A column of that name hides the kernel's own, so only whole files can be parts.
            groups = [[Piece(i, 0, f.rows)] for i, f in enumerate(footers)]
            lead = None
        else:
            groups = cut([f.rows for f in footers], target, [f.ends for f in footers])
            # The table's types are the first file's. Where others differ, every part begins with it for its types.
            lead = _part(files[0]) if len({f.types for f in footers}) > 1 else None
        if len(groups) <= 1:
            return [Split(table, (tuple(_part(f) for f in files), hive, None), table.rows, table.bytes)]
        return [self._split(table, files, footers, pieces, (hive, lead)) for pieces in groups]

    def open(self, data: TableHandle | Split, request: ScanRequest) -> KernelSource:
        """A SELECT over the files. The kernel pushes what stands above it into the files by itself.

        It is the same object each time for the same columns of a table. Raises StorageError where the files are no
        longer those of the handle.
        """
        limit = request.limit if request.filter is None else None
        if isinstance(data, Split):
            return KernelSource(_limited(self._select_parts(data, request.columns), limit))
        files = self._pinned(data)
        key = (data.location, data.version, request.columns, limit)
        source = self._sources.get(key)
        if source is None:
            query = _select(request.columns, [f.path for f in files], _hive_types(files))
            source = KernelSource(_limited(query, limit))
            self._sources.put(key, source)
        return source

    def _split(
        self,
        table: TableHandle,
        files: Sequence[ParquetFile],
        footers: Sequence[_Footer],
        pieces: Sequence[Piece],
        common: tuple[HiveTypes, FilePart | None],
    ) -> Split:
        parts = []
        size = 0
        for piece in pieces:
            file, footer = files[piece.unit], footers[piece.unit]
            whole = piece.rows == footer.rows
            parts.append(_part(file) if whole else _part(file, piece.start, piece.stop))
            size += footer.bytes * piece.rows // max(1, footer.rows)
        return Split(table, (tuple(parts), *common), sum(p.rows for p in pieces), size)

    def _select_parts(self, split: Split, columns: Sequence[str]) -> exp.Select:
        """Whole files are read together, each row range by itself, and behind the lead file only the file wanted."""
        parts, hive, lead = split.part
        first = None if lead is None else self._unchanged(split.table, lead)
        whole: list[str] = []
        selects: list[exp.Select] = []
        for part in parts:
            path = self._unchanged(split.table, part)
            *_, start, stop = part
            led = first is not None and path != first
            if stop < 0 and not led:
                whole.append(path)
                continue
            select = _select(columns, [first, path] if first is not None and led else [path], hive)
            if led:
                select = select.where(exp.column(FILE_INDEX).eq(1))
            if stop >= 0:
                select = select.where(exp.column(ROW_NUMBER).between(start, stop - 1))
            selects.append(select)
        if whole:
            selects.insert(0, _select(columns, whole, hive))
        if len(selects) == 1:
            return selects[0]
        union = exp.union(*selects, distinct=False).subquery("parts")
        return exp.select(exp.Star()).from_(union)

    def _pinned(self, table: TableHandle) -> list[ParquetFile]:
        files = parquet_files(table.location[0], self._root)
        if _fingerprint(files) != table.version:
            raise _changed(table.name)
        return files

    def _unchanged(self, table: TableHandle, part: FilePart) -> str:
        """The file's path; StorageError where it is no longer the file that the part describes."""
        relative, mtime_ns, size, *_ = part
        path = str(Path(table.location[0]) / relative) if relative else table.location[0]
        try:
            stat = Path(path).stat()
        except OSError:
            raise _changed(table.name) from None
        if (stat.st_mtime_ns, stat.st_size) != (mtime_ns, size):
            raise _changed(table.name)
        return path

    def _read_footers(self, name: TableName, files: Sequence[ParquetFile]) -> list[_Footer]:
        """The footers of all files, in order; they must have the first one's columns."""
        keys = [(f.path, f.mtime_ns, f.size) for f in files]
        with self._lock:
            found = {key: self._footers[key] for key in keys if key in self._footers}
        missing = [key for key in keys if key not in found]
        if missing:
            with ThreadPoolExecutor(min(FOOTER_THREADS, len(missing))) as pool:
                found.update(zip(missing, pool.map(lambda key: _footer(name, key[0]), missing), strict=True))
        with self._lock:
            for key in keys:
                self._footers[key] = found[key]
                self._footers.move_to_end(key)
            while len(self._footers) > KEPT_FOOTERS:
                self._footers.popitem(last=False)
        footers = [found[key] for key in keys]
        for footer in footers[1:]:
            lacking = set(footers[0].columns) - set(footer.columns)
            if lacking:
                raise DataCorruptError(
                    f'The files of table "{name}" have different columns: "{min(lacking)}" is not in all of them.'
                )
        return footers


def _footer(name: TableName, path: str) -> _Footer:
    try:
        metadata = pq.read_metadata(path)
        groups = [metadata.row_group(i) for i in range(metadata.num_row_groups)]
        schema = metadata.schema.to_arrow_schema()
    except (pa.ArrowException, OSError) as error:
        log.warning("A Parquet file of table %s cannot be read: %s", name, error)
        raise DataCorruptError(f'Table "{name}" cannot be read: one of its Parquet files is damaged.') from None
    ends = tuple(accumulate(group.num_rows for group in groups))
    size = sum(group.total_byte_size for group in groups)
    types = hash(tuple(sorted((field.name, str(field.type)) for field in schema)))
    return _Footer(metadata.num_rows, size, ends, tuple(schema.names), types)


def _fingerprint(files: Iterable[ParquetFile]) -> str:
    digest = hashlib.sha256()
    for file in files:
        digest.update(f"{file.relative}\0{file.mtime_ns}\0{file.size}\0".encode())
    return digest.hexdigest()[:16]


def _changed(name: TableName) -> StorageError:
    return StorageError(f'The files of table "{name}" changed while the query ran; run it again.')


def _part(file: ParquetFile, start: int = 0, stop: int = -1) -> FilePart:
    return file.relative, file.mtime_ns, file.size, start, stop


def _partitions(folder: str) -> dict[str, str]:
    """The ``key=value`` folders of a path."""
    pairs = (step.split("=", 1) for step in folder.split("/") if step.count("=") == 1)
    return {key: unquote(value) for key, value in pairs if key}


def _hive_types(files: Sequence[ParquetFile]) -> HiveTypes:
    """The partition columns and their kernel types, decided over all files so that every part has the same; none
    where the files are not all in folders of the same keys."""
    partitions = [_partitions(file.relative.rpartition("/")[0]) for file in files]
    keys = list(partitions[0])
    if any(list(p) != keys for p in partitions):
        return ()
    return tuple((key, _hive_type({p[key] for p in partitions} - {NULL_PARTITION})) for key in keys)


def _hive_type(values: set[str]) -> str:
    """BIGINT or DATE where every value is written as one, else VARCHAR, in which nothing is lost."""
    if values and all(re.fullmatch(r"0|-?[1-9][0-9]{0,17}", value) for value in values):
        return "BIGINT"
    return "DATE" if values and all(_is_date(value) for value in values) else "VARCHAR"


def _is_date(value: str) -> bool:
    if not re.fullmatch(r"[0-9]{4}-[0-9]{2}-[0-9]{2}", value):
        return False
    try:
        date.fromisoformat(value)
    except ValueError:
        return False
    return True


def _read_parquet(paths: Iterable[str], hive: HiveTypes) -> exp.Table:
    """The kernel's ``read_parquet([...])`` over exactly these files."""
    options: list[exp.Expr] = [
        exp.Array(expressions=[exp.Literal.string(re.sub(r"([*?\[])", r"[\1]", path)) for path in paths]),
        _option("hive_partitioning", exp.Boolean(this=bool(hive))),
    ]
    if hive:
        types = [
            exp.PropertyEQ(this=exp.to_identifier(key, quoted=True), expression=exp.Literal.string(kind))
            for key, kind in hive
        ]
        options.append(_option("hive_types", exp.Struct(expressions=types)))
    return exp.Table(this=exp.ReadParquet(expressions=options))


def _limited(query: exp.Select, limit: int | None) -> exp.Select:
    return query if limit is None else query.limit(limit)


def _option(name: str, value: exp.Expression) -> exp.EQ:
    return exp.EQ(this=exp.column(name), expression=value)


def _select(columns: Sequence[str], paths: Iterable[str], hive: HiveTypes) -> exp.Select:
    """The columns of the files; one constant column where none is asked for, so that rows can be counted."""
    wanted: list[exp.Expr] = [exp.column(exp.to_identifier(c, quoted=True)) for c in columns]
    if not wanted:
        wanted = [exp.alias_(exp.Boolean(this=True), "present")]
    return exp.select(*wanted).from_(_read_parquet(paths, hive))
