"""Several storages as one, told apart by schema: in-memory tables beside a data directory."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from contextlib import AbstractContextManager
from datetime import datetime

import pyarrow as pa

from engine.errors import TableExistsError, UnknownTableError, UnsupportedError
from engine.storage.care import StoredFacts
from engine.storage.indexes import TableIndexes
from engine.storage.names import unknown_schema
from engine.storage.protocol import (
    FieldChange,
    FragmentWriters,
    OtherNames,
    ScanRequest,
    Snapshot,
    Source,
    Split,
    Storage,
    TableCare,
    TableHandle,
    TableName,
    Version,
    WriteMode,
)
from engine.storage.search import Conditions, SearchRequest

__all__ = ["CompositeStorage"]


class CompositeStorage:
    """`mounted` storages each hold the one schema that they are mounted under; `default` holds all others.

    >>> CompositeStorage(DirectoryStorage("data"), {"memory": InMemoryStorage()})
    """

    def __init__(self, default: Storage, mounted: Mapping[str, Storage]) -> None:
        self._default = default
        self._names = {schema.lower(): schema for schema in mounted}
        self._mounted = {schema.lower(): storage for schema, storage in mounted.items()}

    def schemas(self) -> list[str]:
        """Schema names, sorted: the default storage's that no mount hides, and the mounts."""
        own = [schema for schema in self._default.schemas() if schema.lower() not in self._mounted]
        return sorted([*own, *self._names.values()])

    def tables(self, schema: str | None = None) -> list[TableName]:
        """Table names, sorted, of one schema or of all. Opens no table."""
        if schema is not None:
            return self._of(schema).tables(schema)
        return sorted(name for known in self.schemas() for name in self.tables(known))

    def read_only(self) -> set[TableName]:
        """The tables that cannot be written to. Opens no table."""
        storages = [self._default, *self._mounted.values()]
        return {name for storage in storages for name in storage.read_only() if self._of(name.schema) is storage}

    def snapshot(self) -> Snapshot:
        """A view of the tables of all storages; each table is pinned when it is first resolved."""
        snapshots = {key: storage.snapshot() for key, storage in self._mounted.items()}
        return _CompositeSnapshot(self, self._default.snapshot(), snapshots)

    def probe(self, table: TableHandle) -> Source:
        """All columns of the table, for the kernel's binder."""
        return self._of(table.name.schema).probe(table)

    def splits(self, table: TableHandle, target: int) -> list[Split]:
        """The table cut into about `target` parts."""
        return self._of(table.name.schema).splits(table, target)

    def open(self, data: TableHandle | Split, request: ScanRequest) -> Source:
        """What the kernel reads for this table or part of it."""
        table = data.table if isinstance(data, Split) else data
        return self._of(table.name.schema).open(data, request)

    def takes_fragments(self, name: TableName) -> bool:
        """Whether the schema's storage does."""
        return self._of(name.schema).takes_fragments(name)

    def write(
        self,
        name: TableName,
        data: pa.RecordBatchReader,
        mode: WriteMode,
        *,
        is_valid: bool = False,
        writers: FragmentWriters | None = None,
    ) -> int:
        """Write to the schema's storage; see `Storage.write`."""
        return self._of(name.schema).write(name, data, mode, is_valid=is_valid, writers=writers)

    def rewrite(self, table: TableHandle, data: pa.RecordBatchReader, *, is_valid: bool = False) -> int:
        """Replace a table's rows in its storage; see `Storage.rewrite`."""
        return self._of(table.name.schema).rewrite(table, data, is_valid=is_valid)

    def with_addresses(self, table: TableHandle) -> TableHandle | None:
        """The same version with the addresses of its rows; see `Storage.with_addresses`."""
        return self._of(table.name.schema).with_addresses(table)

    def change(
        self,
        table: TableHandle,
        changed: pa.RecordBatchReader,
        added: pa.RecordBatchReader | None = None,
        *,
        is_valid: bool = False,
    ) -> None:
        """Change single rows in the table's storage; see `Storage.change`."""
        self._of(table.name.schema).change(table, changed, added, is_valid=is_valid)

    def alter(self, table: TableHandle, change: FieldChange) -> bool:
        """Change one column in the table's storage; see `Storage.alter`."""
        return self._of(table.name.schema).alter(table, change)

    def reserve(self, name: TableName) -> AbstractContextManager[None]:
        """A table for oneself; see `Storage.reserve`."""
        return self._of(name.schema).reserve(name)

    def care(self, name: TableName) -> TableCare:
        """What keeps a table in order; see `Storage.care`."""
        return self._of(name.schema).care(name)

    def indexes(self, table: TableHandle) -> TableIndexes:
        """The indexes of a table of its storage; see `Storage.indexes`."""
        return self._of(table.name.schema).indexes(table)

    def stored_facts(self, table: TableHandle) -> StoredFacts:
        """How a table of its storage is stored; see `Storage.stored_facts`."""
        return self._of(table.name.schema).stored_facts(table)

    def drop(self, name: TableName) -> None:
        """Remove the table from its storage."""
        self._of(name.schema).drop(name)

    def rename(self, name: TableName, to: str) -> None:
        """Give the table another name in its storage; see `Storage.rename`."""
        self._of(name.schema).rename(name, to)

    def search(self, table: TableHandle, request: SearchRequest, conditions: Conditions) -> TableHandle:
        """The rows that a search finds; see `Storage.search`."""
        return self._of(table.name.schema).search(table, request, conditions)

    def create_schema(self, name: str) -> None:
        """Make a schema in the default storage; TableExistsError where it is there, or mounted."""
        if name.lower() in self._mounted:
            raise TableExistsError(f'Schema "{name}" is there already.')
        self._default.create_schema(name)

    def drop_schema(self, name: str, along: Collection[TableName] = ()) -> None:
        """Remove a schema of the default storage; see `Storage.drop_schema`."""
        if name.lower() in self._mounted:
            raise UnsupportedError(f'The schema "{name}" is mounted and stays; drop its tables.')
        self._default.drop_schema(name, along)

    def share_names(self, others: OtherNames) -> None:
        """Make no table under a name that is one of `others`, and drop no schema that has some."""
        for storage in (self._default, *self._mounted.values()):
            storage.share_names(others)

    def vacant(self, name: TableName) -> AbstractContextManager[None]:
        """Within, no table of the schema's storage has the name; see `Storage.vacant`."""
        return self._of(name.schema).vacant(name)

    def directories(self) -> Sequence[str]:
        """The folders of all storages."""
        found = [*self._default.directories()]
        for storage in self._mounted.values():
            found.extend(storage.directories())
        return tuple(dict.fromkeys(found))

    def _of(self, schema: str) -> Storage:
        return self._mounted.get(schema.lower(), self._default)


class _CompositeSnapshot:
    def __init__(self, storage: CompositeStorage, default: Snapshot, mounted: Mapping[str, Snapshot]) -> None:
        self._storage, self._default, self._mounted = storage, default, mounted

    def table(self, name: TableName, version: Version | None = None, at: datetime | None = None) -> TableHandle:
        """The pinned handle; see `Snapshot.table`."""
        snapshot = self._mounted.get(name.schema.lower(), self._default)
        try:
            return snapshot.table(name, version, at)
        except UnknownTableError:
            schemas = self._storage.schemas()
            if name.schema.lower() not in {schema.lower() for schema in schemas}:
                raise unknown_schema(name.schema, schemas) from None
            raise
