"""The data directory as a Storage: Lance datasets to read and write, Parquet files to read.

`listing` has the directory's layout.
"""

from __future__ import annotations

import logging
from collections.abc import Collection, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import replace
from datetime import datetime
from functools import partial
from pathlib import Path

import pyarrow as pa

from engine.errors import StorageError, TableExistsError, UnsupportedError
from engine.full_disk import full_error
from engine.storage.care import StoredFacts
from engine.storage.drop_marks import settle
from engine.storage.indexes import NoIndexes, TableIndexes
from engine.storage.lance_care import LanceCare
from engine.storage.lance_commits import storage_errors
from engine.storage.lance_formats import require_nulls
from engine.storage.lance_indexes import LanceIndexes
from engine.storage.lance_tables import KIND as LANCE
from engine.storage.lance_tables import LanceTables
from engine.storage.lance_writes import LanceWrites
from engine.storage.listing import Entry, Listing, Lookup
from engine.storage.locks import exclusive_lock
from engine.storage.memory_tables import KIND as HELD
from engine.storage.memory_tables import MEMORY, MemoryTables
from engine.storage.names import check_table_name, not_searched, require_along, unknown_schema, unknown_table
from engine.storage.parquet import ParquetTables
from engine.storage.pinning import PinningSnapshot
from engine.storage.protocol import (
    DEFAULT_SCHEMA,
    FieldChange,
    FragmentWriters,
    OtherNames,
    ScanRequest,
    Source,
    Split,
    TableCare,
    TableHandle,
    TableName,
    Version,
    WriteMode,
)
from engine.storage.reservations import reserve
from engine.storage.schema_folders import drop_schema, make_schema, sweep_schemas
from engine.storage.search import Conditions, SearchRequest

__all__ = ["DirectoryStorage"]

log = logging.getLogger(__name__)


class DirectoryStorage:
    """The tables below one directory. Thread-safe, and safe against other processes that write below it.

    `table_bytes`: a Lance scan estimated at no more is read into memory, which tells the kernel how many rows it has.
    `keep_dropped`: seconds that a dropped table's files stay for queries that still read them.

    Raises StorageError where the directory is not there. Picklable: a copy reads the same directory.
    """

    def __init__(self, path: str | Path, *, table_bytes: int = 64 << 20, keep_dropped: float = 900.0) -> None:
        root = Path(path).expanduser().resolve()
        if not root.is_dir():
            found = "no folder" if root.exists() else "not there"
            raise StorageError(f"The data directory {root} is {found}; make it or name another.")
        self._options = (table_bytes, keep_dropped)
        self._root = root
        self._listing = Listing(root)
        self._parquet = ParquetTables(root)
        self._lance = LanceTables(table_bytes)
        self._writes = LanceWrites(keep_dropped)
        self._others: OtherNames | None = None
        self._sweep()

    def __reduce__(self) -> tuple[object, ...]:
        table_bytes, keep_dropped = self._options
        return _restore, (str(self._root), table_bytes, keep_dropped)

    def schemas(self) -> list[str]:
        """Schema names, sorted; always has ``main``."""
        return sorted(self._listing.schemas())

    def tables(self, schema: str | None = None) -> list[TableName]:
        """Table names, sorted, of one schema or of all. Opens no table."""
        return sorted(
            TableName(name, entry.name)
            for name, folder in self._listing.schemas().items()
            if schema is None or schema.lower() == name.lower()
            for entry in self._listing.entries(folder).values()
        )

    def read_only(self) -> set[TableName]:
        """The tables of Parquet files. Opens no table."""
        return {
            TableName(name, entry.name)
            for name, folder in self._listing.schemas().items()
            for entry in self._listing.entries(folder).values()
            if entry.kind != LANCE
        }

    def snapshot(self) -> PinningSnapshot:
        """A view of the tables as they are now. Parquet files that change under a query make it fail."""
        lookup = self._listing.lookup()
        return PinningSnapshot(lambda name, version, at: self._resolve(lookup, name, version, at))

    def probe(self, table: TableHandle) -> Source:
        """All columns of the table, for the kernel's binder."""
        return self._kind(table).probe(table)

    def splits(self, table: TableHandle, target: int) -> list[Split]:
        """The table cut into about `target` parts."""
        return self._kind(table).splits(table, target)

    def open(self, data: TableHandle | Split, request: ScanRequest) -> Source:
        """What the kernel reads for this table or part of it."""
        return self._kind(data.table if isinstance(data, Split) else data).open(data, request)

    def takes_fragments(self, name: TableName) -> bool:
        """True: what can be written is a Lance table."""
        del name
        return True

    def write(
        self,
        name: TableName,
        data: pa.RecordBatchReader,
        mode: WriteMode,
        *,
        is_valid: bool = False,
        writers: FragmentWriters | None = None,
    ) -> int:
        """Write a Lance table; see `Storage.write`. UnsupportedError for a table of Parquet files."""
        schema, folder = self._folder(name.schema)
        entry = self._listing.find(folder, name.table)
        name = TableName(schema, entry.name if entry else name.table)
        if entry is None:
            if mode is WriteMode.APPEND:
                raise unknown_table(name, self.tables())
            return self._create(name, folder, data, mode, is_valid, writers)
        if mode is WriteMode.CREATE:
            raise TableExistsError(f'Table "{name}" is there already; drop it, append to it or replace it.')
        path = self._writable(name, entry)
        if mode is WriteMode.REPLACE:
            return self._writes.replace(name, path, data, is_valid, writers=writers)

        newest, identity = self._lance.newest(name, str(path))
        keep = partial(self._lance.keep, name, str(path))
        return self._writes.append(name, path, data, is_valid, newest, identity, keep, writers)

    def rewrite(self, table: TableHandle, data: pa.RecordBatchReader, *, is_valid: bool = False) -> int:
        """Replace the rows and columns of a table that is still at this version; all or nothing, returns the rows.

        Raises ConflictError where it is not, and else what `write` raises.
        """
        schema, folder = self._folder(table.name.schema)
        entry = self._listing.find(folder, table.name.table)
        if entry is None:
            raise unknown_table(table.name, self.tables())
        name = TableName(schema, entry.name)
        return self._writes.replace(name, self._writable(name, entry), data, is_valid, table)

    def with_addresses(self, table: TableHandle) -> TableHandle | None:
        """The same version of a Lance table with the addresses of its rows; None of other tables.

        Raises UnsupportedError where rows of it cannot be changed.
        """
        if table.kind != LANCE:
            return None
        require_nulls(table.name, self._lance.dataset(table))
        return replace(table, addressed=True)

    def change(
        self,
        table: TableHandle,
        changed: pa.RecordBatchReader,
        added: pa.RecordBatchReader | None = None,
        *,
        is_valid: bool = False,
    ) -> None:
        """Change single rows of a Lance table and add others, in one version; see `Storage.change`."""
        schema, folder = self._folder(table.name.schema)
        entry = self._listing.find(folder, table.name.table)
        if entry is None:
            raise unknown_table(table.name, self.tables())
        name = TableName(schema, entry.name)
        path = self._writable(name, entry)
        keep = partial(self._lance.keep, name, str(path))
        dataset, (_, identity) = self._lance.dataset(table), table.location
        self._writes.change(name, path, dataset, identity, changed, added, is_valid, keep)

    def alter(self, table: TableHandle, change: FieldChange) -> bool:
        """Change one column of a Lance table; see `Storage.alter`."""
        schema, folder = self._folder(table.name.schema)
        entry = self._listing.find(folder, table.name.table)
        if entry is None:
            raise unknown_table(table.name, self.tables())
        name = TableName(schema, entry.name)
        return self._writes.alter(name, self._writable(name, entry), table, change)

    def search(self, table: TableHandle, request: SearchRequest, conditions: Conditions) -> TableHandle:
        """The rows that a search of a Lance table finds; see `Storage.search`."""
        if table.kind != LANCE:
            raise not_searched(table)
        return self._lance.search(table, request, conditions)

    @contextmanager
    def reserve(self, name: TableName) -> Iterator[None]:
        """A Lance table for oneself; see `Storage.reserve`."""
        _, folder = self._folder(name.schema)
        entry = self._listing.find(folder, name.table)
        if entry is None:
            raise unknown_table(name, self.tables())
        path = self._writable(name, entry)
        with ExitStack() as stack:
            with storage_errors(name):
                stack.enter_context(reserve(path))
            yield

    def care(self, name: TableName) -> TableCare:
        """What keeps a Lance table in order; UnsupportedError for a table of Parquet files."""
        schema, folder = self._folder(name.schema)
        entry = self._listing.find(folder, name.table)
        if entry is None:
            raise unknown_table(name, self.tables())
        name = TableName(schema, entry.name)
        if entry.kind != LANCE:
            raise UnsupportedError(
                f'Table "{name}" is made of Parquet files, which keep no versions and need no such care; '
                "CREATE TABLE ... AS SELECT makes a Lance table of it."
            )
        return LanceCare(name, Path(entry.path))

    def indexes(self, table: TableHandle) -> TableIndexes:
        """The indexes of a Lance table; other tables have none."""
        if table.kind != LANCE:
            return NoIndexes(str(table.name), "in memory" if table.kind == HELD else "made of Parquet files")
        return LanceIndexes(table, self._lance)

    def stored_facts(self, table: TableHandle) -> StoredFacts:
        """How this version of a table is stored; see `Storage.stored_facts`."""
        if table.kind == HELD:
            return StoredFacts()
        return self._lance.stored_facts(table) if table.kind == LANCE else self._parquet.stored_facts(table)

    def share_names(self, others: OtherNames) -> None:
        """Make no table under a name that is one of `others`, and drop no schema that has some."""
        self._others = others
        self._sweep()

    @contextmanager
    def vacant(self, name: TableName) -> Iterator[None]:
        """Within, no table has the name, and no process makes one or drops the schema.

        Raises TableExistsError where there is such a table, UnknownTableError where the schema is not there.
        """
        _, folder = self._folder(name.schema)
        with exclusive_lock(folder):
            if self._listing.find(self._folder(name.schema)[1], name.table) is not None:
                raise TableExistsError(f'Table "{name}" is there already; take another name.')
            yield

    def create_schema(self, name: str) -> None:
        """Make a schema; TableExistsError where it is there."""
        check_table_name(name)
        if name.lower() in {known.lower() for known in self._listing.schemas()}:
            raise TableExistsError(f'Schema "{name}" is there already.')
        try:
            with self._storage_errors(name):
                make_schema(self._root, name, self._others)
        except FileExistsError:
            raise TableExistsError(f'Schema "{name}" is there already.') from None

    def drop_schema(self, name: str, along: Collection[TableName] = ()) -> None:
        """Remove a schema together with the tables and views `along`; see `Storage.drop_schema`."""
        schema, folder = self._folder(name)
        if schema == DEFAULT_SCHEMA:
            raise UnsupportedError(f'The schema "{DEFAULT_SCHEMA}" is always there.')
        self._sweep()
        with self._storage_errors(schema), exclusive_lock(folder):
            schema, folder = self._folder(name)
            settle(folder)
            tables = {TableName(schema, entry.name): entry.path for entry in self._listing.entries(folder).values()}
            require_along(schema, tables, self._others, along)
            drop_schema(schema, folder, set(tables.values()), self._others)

    @staticmethod
    @contextmanager
    def _storage_errors(schema: str) -> Iterator[None]:
        """What the file system refuses as a storage error, but for a file that is there."""
        try:
            yield
        except FileExistsError:
            raise
        except OSError as error:
            log.warning("The folder of the schema %s cannot be made or removed: %s", schema, error)
            why = error.strerror or "the disk refuses"
            what = f'Schema "{schema}" was left as it was'
            raise full_error(what, error) or StorageError(f"{what}: {why}; ask an administrator.") from None

    def drop(self, name: TableName) -> None:
        """Remove a Lance table. Queries that run keep their version for a while."""
        schema, folder = self._folder(name.schema)
        entry = self._listing.find(folder, name.table)
        if entry is None:
            raise unknown_table(name, self.tables())
        found = TableName(schema, entry.name)
        if not self._writes.drop(found, self._writable(found, entry)):
            raise unknown_table(name, self.tables())
        self._sweep()

    def rename(self, name: TableName, to: str) -> None:
        """Give a Lance table another name in its schema; see `Storage.rename`."""
        check_table_name(to)
        schema, folder = self._folder(name.schema)
        entry = self._listing.find(folder, name.table)
        if entry is None:
            raise unknown_table(name, self.tables())
        path, other = self._writable(TableName(schema, entry.name), entry), TableName(schema, to)

        def is_taken() -> bool:
            is_view = self._others is not None and self._others.has(other)
            return is_view or self._listing.find(folder, to) is not None

        self._writes.rename(TableName(schema, entry.name), path, folder / f"{to}.lance", is_taken)

    def directories(self) -> Sequence[str]:
        """The data directory."""
        return (str(self._root),)

    def _create(
        self,
        name: TableName,
        folder: Path,
        data: pa.RecordBatchReader,
        mode: WriteMode,
        is_valid: bool,
        writers: FragmentWriters | None,
    ) -> int:
        check_table_name(name.table)
        self._sweep()

        def is_view() -> bool:
            return self._others is not None and self._others.has(name)

        def instead(written: pa.RecordBatchReader) -> int:
            if is_view():
                raise TableExistsError(f'"{name}" is a view, made meanwhile; views are not written to.')
            if mode is WriteMode.CREATE:
                raise TableExistsError(f'Table "{name}" is there already; somebody made it meanwhile.')
            return self.write(name, written, mode, is_valid=True)

        path = folder / f"{name.table}.lance"

        def is_taken() -> bool:
            return is_view() or self._listing.find(folder, name.table) is not None

        return self._writes.create(name, path, data, is_valid, is_taken, instead, writers)

    def _resolve(self, lookup: Lookup, name: TableName, version: Version | None, at: datetime | None) -> TableHandle:
        schema, folder = self._folder(name.schema, lookup)
        entry = lookup.find(folder, name.table)
        if entry is None:
            raise unknown_table(name, self.tables())
        kind = self._lance if entry.kind == LANCE else self._parquet
        return kind.handle(TableName(schema, entry.name), entry.path, version, at)

    def _folder(self, schema: str, lookup: Lookup | None = None) -> tuple[str, Path]:
        if schema.lower() == DEFAULT_SCHEMA:
            return DEFAULT_SCHEMA, self._root
        found = (lookup or self._listing.lookup()).schema(schema)
        if found is None:
            raise unknown_schema(schema, self._listing.schemas())
        return found

    def _kind(self, table: TableHandle) -> LanceTables | ParquetTables | MemoryTables:
        if table.kind == HELD:  # rows that are not in the directory, such as those of `information_schema`
            return MEMORY
        return self._lance if table.kind == LANCE else self._parquet

    def _writable(self, name: TableName, entry: Entry) -> Path:
        if entry.kind != LANCE:
            raise UnsupportedError(f'Table "{name}" is made of Parquet files, which are read-only; write to another.')
        return Path(entry.path)

    def _sweep(self) -> None:
        for folder in self._listing.schemas().values():
            try:
                self._writes.sweep(folder)
            except OSError as error:
                log.warning("What earlier writers left in the data directory could not be removed: %s", error)
        if self._others is not None:
            sweep_schemas(self._root, self._others, self._options[1])


def _restore(path: str, table_bytes: int, keep_dropped: float) -> DirectoryStorage:
    return DirectoryStorage(path, table_bytes=table_bytes, keep_dropped=keep_dropped)
