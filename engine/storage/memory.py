"""Tables in memory, as immutable Arrow tables: one for each version.

The newest versions of a table are kept in any case, and an older one for as long as somebody in this process holds a
handle of it.
"""

from __future__ import annotations

import threading
import uuid
from collections import OrderedDict
from collections.abc import Collection, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager, nullcontext
from dataclasses import dataclass, field
from datetime import UTC, datetime

import pyarrow as pa

from engine.errors import (
    ConflictError,
    SchemaMismatchError,
    StorageError,
    TableExistsError,
    UnsupportedError,
)
from engine.storage.care import StoredFacts
from engine.storage.conform import Incoming, check_fits, stored_schema
from engine.storage.indexes import NoIndexes
from engine.storage.memory_tables import MEMORY, HeldTable
from engine.storage.names import (
    check_table_name,
    not_searched,
    require_along,
    unknown_schema,
    unknown_table,
    unknown_tag,
    unknown_version,
    view_error,
)
from engine.storage.pinning import PinningSnapshot
from engine.storage.protocol import (
    DEFAULT_SCHEMA,
    ArrowSource,
    FieldChange,
    FragmentWriters,
    OtherNames,
    ScanRequest,
    Split,
    TableCare,
    TableHandle,
    TableName,
    Tag,
    Version,
    WriteMode,
)
from engine.storage.search import Conditions, SearchRequest

__all__ = ["InMemoryStorage"]

SMALL_CHUNK = 4_096  # rows; a table of many smaller chunks is copied into one
MANY_CHUNKS = 64


@dataclass(frozen=True, eq=False)
class _Version:
    """One version of a table and when it came to be."""

    number: int
    held: HeldTable
    since: datetime

    @property
    def data(self) -> pa.Table:
        return self.held.data


@dataclass
class _Table:
    """A table's kept versions, oldest first. `key` tells it from a dropped one of the same name."""

    name: TableName
    versions: OrderedDict[int, _Version] = field(default_factory=OrderedDict)
    key: str = field(default_factory=lambda: uuid.uuid4().hex)

    @property
    def newest(self) -> _Version:
        return next(reversed(self.versions.values()))


class InMemoryStorage:
    """Named Arrow tables in this process. Thread-safe.

    `tables` maps ``"table"`` or ``"schema.table"``, split at the first dot, or a TableName to its data, which is taken
    as valid; what `write` brings is checked in full. `keep_versions` of each table stay for time travel.
    """

    def __init__(self, tables: Mapping[str | TableName, pa.Table] | None = None, keep_versions: int = 4) -> None:
        if keep_versions < 1:
            raise ValueError("keep_versions is at least 1")
        self._keep = keep_versions
        self._lock = threading.Lock()
        self._tables: dict[tuple[str, str], _Table] = {}
        self._schemas: dict[str, str] = {}  # that were made, by their names in lower case
        self._others: OtherNames | None = None
        for key, data in (tables or {}).items():
            name = key if isinstance(key, TableName) else _parse_name(key)
            if name.key in self._tables:
                raise TableExistsError(f'Table "{name}" is given twice.')
            _require_distinct_columns(name, data.schema)
            self._add(_Table(name), data)

    def __reduce__(self) -> tuple[object, ...]:
        """Tables stay in their process: a copy in another one has none."""
        return InMemoryStorage, ()

    def schemas(self) -> list[str]:
        """Schema names, sorted: those that have a table or were made, ``main`` always."""
        with self._lock:
            found = {table.name.schema.lower(): table.name.schema for table in self._tables.values()}
            return sorted({DEFAULT_SCHEMA: DEFAULT_SCHEMA, **found, **self._schemas}.values())

    def tables(self, schema: str | None = None) -> list[TableName]:
        """Table names, sorted, of one schema or of all."""
        with self._lock:
            names = [table.name for table in self._tables.values()]
        return sorted(name for name in names if schema is None or name.schema.lower() == schema.lower())

    def read_only(self) -> set[TableName]:
        """None."""
        return set()

    def snapshot(self) -> PinningSnapshot:
        """A view of the tables as they are now."""
        return PinningSnapshot(self._resolve)

    def probe(self, table: TableHandle) -> ArrowSource:
        """A Table of all columns and no rows."""
        return MEMORY.probe(table)

    def splits(self, table: TableHandle, target: int) -> list[Split]:
        """Slices of about equal numbers of rows."""
        return MEMORY.splits(table, target)

    def open(self, data: TableHandle | Split, request: ScanRequest) -> ArrowSource:
        """The columns of the table or slice, without a copy."""
        return MEMORY.open(data, request)

    def takes_fragments(self, name: TableName) -> bool:
        """False: the rows come here."""
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
        """Write a table; see `Storage.write`. A new schema needs no making."""
        del writers
        with self._lock:
            table = self._tables.get(name.key)
        if table is None and mode is WriteMode.APPEND:
            raise self._unknown(name)
        if table is not None and mode is WriteMode.CREATE:
            raise _exists(table.name)
        if table is None:
            check_table_name(name.table)
        if table is None or mode is WriteMode.REPLACE:
            schema = stored_schema(name, data.schema)
        else:
            schema = table.newest.data.schema
            check_fits(table.name, data.schema, schema)
        incoming = Incoming(name, data, schema, is_valid)
        rows = pa.Table.from_batches(list(incoming), schema)
        self._publish(name, rows, mode)
        return incoming.rows

    def rewrite(self, table: TableHandle, data: pa.RecordBatchReader, *, is_valid: bool = False) -> int:
        """Replace the rows and columns of a table that is still at this version; see `Storage.rewrite`."""
        schema = stored_schema(table.name, data.schema)
        incoming = Incoming(table.name, data, schema, is_valid)
        rows = pa.Table.from_batches(list(incoming), schema)
        with self._lock:
            known = self._tables.get(table.name.key)
            if known is None:
                raise self._unknown(table.name, locked=True)
            if (known.key, str(known.newest.number)) != (*table.location, table.version):
                raise ConflictError(f'Table "{table.name}" was changed meanwhile; run the statement again.')
            self._add(known, _compact(rows))
        return incoming.rows

    def with_addresses(self, table: TableHandle) -> TableHandle | None:  # noqa: ARG002
        """None: a change makes a new Arrow table, whose unchanged columns are copied anyway."""
        return None

    def change(
        self,
        table: TableHandle,
        changed: pa.RecordBatchReader,  # noqa: ARG002
        added: pa.RecordBatchReader | None = None,  # noqa: ARG002
        *,
        is_valid: bool = False,  # noqa: ARG002
    ) -> None:
        """Raises UnsupportedError: see `with_addresses`."""
        raise UnsupportedError(f'Rows of table "{table.name}", which is in memory, have no addresses.')

    def search(
        self,
        table: TableHandle,
        request: SearchRequest,  # noqa: ARG002
        conditions: Conditions,  # noqa: ARG002
    ) -> TableHandle:
        """Raises UnsupportedError: only Lance tables are searched."""
        raise not_searched(table)

    def alter(self, table: TableHandle, change: FieldChange) -> bool:  # noqa: ARG002
        """False: a table is written anew."""
        return False

    def reserve(self, name: TableName) -> AbstractContextManager[None]:  # noqa: ARG002
        """Nothing is kept from others: see `Storage.reserve`."""
        return nullcontext()

    def care(self, name: TableName) -> TableCare:
        """Raises UnsupportedError: an Arrow table needs none."""
        raise UnsupportedError(
            f'Table "{self.snapshot().table(name).name}" is in memory, where nothing is to be kept in order and '
            "versions have no names; that is for Lance tables in a folder."
        )

    def indexes(self, table: TableHandle) -> NoIndexes:
        """None: a table in memory has no indexes."""
        return NoIndexes(str(table.name), "in memory")

    def stored_facts(self, table: TableHandle) -> StoredFacts:
        """How many versions of a table are kept."""
        with self._lock:
            found = self._tables.get(table.name.key)
            return StoredFacts(None, 0 if found is None else len(found.versions), 0)

    def drop(self, name: TableName) -> None:
        """Remove the table. Handles that were given out stay good."""
        with self._lock:
            table = self._tables.pop(name.key, None)
        if table is None:
            raise self._unknown(name)

    def rename(self, name: TableName, to: str) -> None:
        """Give the table another name in its schema; see `Storage.rename`."""
        check_table_name(to)
        other = TableName(name.schema, to)
        with self._lock:
            table = self._tables.get(name.key)
            if table is None:
                raise self._unknown(name, locked=True)
            if other.key in self._tables or (self._others is not None and self._others.has(other)):
                raise TableExistsError(f'"{to}" is there already; drop it or take another name.')
            del self._tables[name.key]
            table.name = TableName(table.name.schema, to)
            self._tables[other.key] = table

    def create_schema(self, name: str) -> None:
        """Make a schema that stays without tables; TableExistsError where it is there."""
        check_table_name(name)
        if name.lower() in {known.lower() for known in self.schemas()}:
            raise TableExistsError(f'Schema "{name}" is there already.')
        with self._lock:
            self._schemas[name.lower()] = name

    def drop_schema(self, name: str, along: Collection[TableName] = ()) -> None:
        """Remove a schema; see `Storage.drop_schema`."""
        if name.lower() == DEFAULT_SCHEMA:
            raise UnsupportedError(f'The schema "{DEFAULT_SCHEMA}" is always there.')
        known = self.schemas()
        with self._lock:
            if name.lower() not in {schema.lower() for schema in known}:
                raise unknown_schema(name, known)
            own = [key for key in self._tables if key[0] == name.lower()]
            require_along(name, [TableName(*key) for key in own], self._others, along)
            for key in own:
                del self._tables[key]
            if self._others is not None:
                self._others.remove_in(name)
            self._schemas.pop(name.lower(), None)  # one that nobody made goes with its last table

    def share_names(self, others: OtherNames) -> None:
        """Make no table under a name that is one of `others`, and drop no schema that has some."""
        self._others = others

    @contextmanager
    def vacant(self, name: TableName) -> Iterator[None]:
        """Within, no table has the name, and none is made; see `Storage.vacant`."""
        known = self.schemas()
        if name.schema.lower() not in {schema.lower() for schema in known}:
            raise unknown_schema(name.schema, known)
        with self._lock:
            if name.key in self._tables:
                raise TableExistsError(f'Table "{name}" is there already; take another name.')
            yield

    def directories(self) -> Sequence[str]:
        """None: there are no files."""
        return ()

    def _publish(self, name: TableName, rows: pa.Table, mode: WriteMode) -> None:
        """Make the rows part of the table as it is by now."""
        with self._lock:
            table = self._tables.get(name.key)
            if table is None:
                if mode is WriteMode.APPEND:
                    raise self._unknown(name, locked=True)
                if self._others is not None and self._others.has(name):
                    raise view_error(name)
                self._add(_Table(name), _compact(rows))
            elif mode is WriteMode.CREATE:
                raise _exists(table.name)
            elif mode is WriteMode.REPLACE:
                self._add(table, _compact(rows))
            elif not table.newest.data.schema.equals(rows.schema):
                raise StorageError(f'Table "{name}" was replaced while data for it was on its way; try again.')
            elif rows.num_rows:
                self._add(table, _compact(pa.concat_tables([table.newest.data, rows])))

    def _add(self, table: _Table, data: pa.Table) -> None:
        number = table.newest.number + 1 if table.versions else 1
        version = _Version(number, MEMORY.hold((table.key,), str(number), data), datetime.now(UTC))
        table.versions[number] = version
        while len(table.versions) > self._keep:
            table.versions.popitem(last=False)
        self._tables[table.name.key] = table

    def _resolve(self, name: TableName, version: Version | None, at: datetime | None) -> TableHandle:
        with self._lock:
            table = self._tables.get(name.key)
            if table is None:
                raise self._unknown(name, locked=True)
            return MEMORY.handle(table.name, _version(table, version, at).held)

    def _unknown(self, name: TableName, locked: bool = False) -> Exception:
        names = [table.name for table in self._tables.values()] if locked else self.tables()
        schemas = {DEFAULT_SCHEMA, *(known.schema for known in names)}
        if name.schema.lower() not in {schema.lower() for schema in schemas}:
            return unknown_schema(name.schema, sorted(schemas))
        return unknown_table(name, names)


def _version(table: _Table, version: Version | None, at: datetime | None) -> _Version:
    if version is None and at is None:
        return table.newest
    if isinstance(version, Tag):
        raise unknown_tag(table.name, version.name, ())
    if at is not None:
        instant = at if at.tzinfo is not None else at.replace(tzinfo=UTC)
        found = [v for v in table.versions.values() if v.since <= instant]
        asked: str | datetime = at
    else:
        asked = version or ""
        found = [v for v in table.versions.values() if str(v.number) == asked.strip()]
    if not found:
        raise unknown_version(table.name, asked, next(iter(table.versions)), table.newest.number)
    return found[-1]


def _parse_name(key: str) -> TableName:
    schema, dot, table = key.partition(".")
    return TableName(schema, table) if dot else TableName(DEFAULT_SCHEMA, key)


def _exists(name: TableName) -> TableExistsError:
    return TableExistsError(f'Table "{name}" is there already; drop it, append to it or replace it.')


def _require_distinct_columns(name: TableName, schema: pa.Schema) -> None:
    if not len(schema):
        raise SchemaMismatchError(f'Table "{name}" needs at least one column; the data has none.')
    seen: set[str] = set()
    for column in schema.names:
        if column.lower() in seen:
            raise SchemaMismatchError(f'Table "{name}" has two columns "{column}"; rename one.')
        seen.add(column.lower())


def _compact(data: pa.Table) -> pa.Table:
    """The same rows in fewer chunks, where there are many small ones."""
    chunks = data.column(0).num_chunks if data.num_columns else 0
    small = chunks > MANY_CHUNKS and data.num_rows < chunks * SMALL_CHUNK
    return data.combine_chunks() if small else data
