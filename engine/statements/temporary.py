"""A session's temporary tables: those that statements make, on disk where the storage is, and those put in memory."""

from __future__ import annotations

import logging
import shutil
import threading
from contextlib import AbstractContextManager, ExitStack
from pathlib import Path

import pyarrow as pa

from engine.arrow_validation import kernel_rows_are_valid
from engine.errors import StorageError, TableExistsError
from engine.full_disk import full_error
from engine.statements.held_views import HeldViews
from engine.storage import DirectoryStorage, InMemoryStorage
from engine.storage.indexes import TableIndexes
from engine.storage.locks import exclusive_lock
from engine.storage.names import view_error
from engine.storage.pinning import PinningSnapshot
from engine.storage.protocol import (
    DEFAULT_SCHEMA,
    FieldChange,
    FragmentWriters,
    Source,
    TableCare,
    TableHandle,
    TableName,
    TableStore,
    WriteMode,
)

__all__ = ["TEMPORARY", "TemporaryTables"]

_log = logging.getLogger(__name__)

TEMPORARY = "temp"
"""The schema of temporary tables and views."""


class TemporaryTables:
    """Tables, all in the schema ``main``, that end with `close`. Thread-safe.

    `folder`, which is made when it is first needed, holds what statements make; without one that is in memory, too.
    `views` are the temporary ones. Tables `beneath` are seen where none of these has the name, and what statements make
    goes there.
    """

    def __init__(self, folder: Path | None, beneath: TemporaryTables | None = None) -> None:
        self._folder = folder
        self._beneath = beneath
        self.views: HeldViews = HeldViews() if beneath is None else beneath.views
        self._memory = InMemoryStorage()
        self._disk: DirectoryStorage | None = None
        self._lock = threading.Lock()
        self._cleanup = ExitStack()

    def tables(self, schema: str | None = None) -> list[TableName]:
        """Table names, sorted."""
        names = {name.key: name for store in (self._beneath, self._disk) if store for name in store.tables(schema)}
        return sorted((names | {name.key: name for name in self._memory.tables(schema)}).values())

    def snapshot(self) -> PinningSnapshot:
        """A view of the tables as they are now."""
        return PinningSnapshot(lambda name, version, at: self._of(name).snapshot().table(name, version, at))

    def probe(self, table: TableHandle) -> Source:
        """All columns of the table; see `Storage.probe`."""
        return self._of(table.name).probe(table)

    def takes_fragments(self, name: TableName) -> bool:
        """False: workers do not reach what is temporary."""
        del name
        return False

    def write(
        self,
        name: TableName,
        data: pa.RecordBatchReader,
        mode: WriteMode,
        *,
        is_valid: bool = False,
        writers: FragmentWriters | None = None,
    ) -> int:
        """Write a table; see `Storage.write`."""
        del writers
        if self.views.has(TableName(TEMPORARY, name.table)):
            raise view_error(TableName(TEMPORARY, name.table))
        if _has(self._memory, name):
            return self._memory.write(name, data, mode, is_valid=is_valid)
        if self._beneath is not None:
            return self._beneath.write(name, data, mode, is_valid=is_valid)
        store = self._memory if self._folder is None else self._on_disk(self._folder)
        return store.write(name, data, mode, is_valid=is_valid)

    def rewrite(self, table: TableHandle, data: pa.RecordBatchReader, *, is_valid: bool = False) -> int:
        """Replace a table's rows; see `Storage.rewrite`."""
        return self._of(table.name).rewrite(table, data, is_valid=is_valid)

    def with_addresses(self, table: TableHandle) -> TableHandle | None:
        """The same version with the addresses of its rows; see `Storage.with_addresses`."""
        return self._of(table.name).with_addresses(table)

    def change(
        self,
        table: TableHandle,
        changed: pa.RecordBatchReader,
        added: pa.RecordBatchReader | None = None,
        *,
        is_valid: bool = False,
    ) -> None:
        """Change single rows of a table; see `Storage.change`."""
        self._of(table.name).change(table, changed, added, is_valid=is_valid)

    def alter(self, table: TableHandle, change: FieldChange) -> bool:
        """Change one column of a table; see `Storage.alter`."""
        return self._of(table.name).alter(table, change)

    def reserve(self, name: TableName) -> AbstractContextManager[None]:
        """A table for oneself; see `Storage.reserve`."""
        return self._of(name).reserve(name)

    def care(self, name: TableName) -> TableCare:
        """What keeps a table in order; see `Storage.care`."""
        return self._of(name).care(name)

    def indexes(self, table: TableHandle) -> TableIndexes:
        """The indexes of a table; see `Storage.indexes`."""
        return self._of(table.name).indexes(table)

    def drop(self, name: TableName) -> None:
        """Remove a table; UnknownTableError where it is not there."""
        self._of(name).drop(name)

    def rename(self, name: TableName, to: str) -> None:
        """Give a table another name; see `Storage.rename`."""
        taken = {known.table.lower() for known in self.tables()} | {
            view.name.table.lower() for view in self.views.all()
        }
        if to.lower() in taken:
            raise TableExistsError(f'"{to}" is there already; drop it or take another name.')
        self._of(name).rename(name, to)

    def hold(self, table: str, data: pa.RecordBatchReader) -> int:
        """Keep rows, which came by an Entrance, in memory under a name, before what else has it; returns how many."""
        name = TableName(DEFAULT_SCHEMA, table)
        valid = kernel_rows_are_valid(data.schema)
        return self._memory.write(name, data, WriteMode.REPLACE, is_valid=valid)

    def close(self) -> None:
        """Remove all tables."""
        with self._lock:
            self._disk = None
            self._memory = InMemoryStorage()
            self._cleanup.close()

    def _of(self, name: TableName) -> TableStore:
        """What holds a table, or would tell that it is not there."""
        if _has(self._memory, name):
            return self._memory
        return self._beneath or self._disk or self._memory

    def _on_disk(self, folder: Path) -> DirectoryStorage:
        with self._lock:
            if self._disk is None:
                try:
                    self._disk = DirectoryStorage(self._make_folder(folder))
                except OSError as error:
                    _log.warning("The folder of temporary tables cannot be made: %s", error)
                    why = error.strerror or "the disk refuses"
                    what = "There is no place for temporary tables"
                    raise full_error(what, error) or StorageError(f"{what}: {why}; ask an administrator.") from None
            return self._disk

    def _make_folder(self, folder: Path) -> Path:
        """The folder for tables within that of the session, which is removed at the end. Raises OSError."""
        folder.parent.mkdir(exist_ok=True)
        with exclusive_lock(folder.parent):  # else a sweep could come between making and taking it
            folder.mkdir()
            self._cleanup.enter_context(exclusive_lock(folder))
        self._cleanup.callback(shutil.rmtree, folder, ignore_errors=True)
        tables = folder / "tables"  # writers lock this one
        tables.mkdir()
        return tables


def _has(storage: TableStore, name: TableName) -> bool:
    return name.key in {known.key for known in storage.tables()}
