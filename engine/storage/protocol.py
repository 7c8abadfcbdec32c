"""The Storage contract: tables by name, pinned versions, splits, sources for the kernel, atomic writes.

A query takes one `Snapshot`, resolves each of its tables to a `TableHandle` through it, and from then on reads only
handles: a handle is small, picklable and pins one version, so every stage, retry and worker reads the same rows.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import Enum
from typing import TYPE_CHECKING, Any, Protocol

import pyarrow as pa
from sqlglot import exp

from engine.storage.care import LayoutFacts, OptimizeReport, StoredFacts, TagFacts, VacuumReport, VersionFacts
from engine.storage.indexes import TableIndexes
from engine.storage.search import ROW_ADDRESS, Conditions, Search, SearchRequest

if TYPE_CHECKING:
    import pyarrow.dataset as ds

__all__ = [
    "CATALOG",
    "DEFAULT_SCHEMA",
    "ROW_ADDRESS",
    "ROW_STAYS",
    "AddField",
    "ArrowSource",
    "DropField",
    "FieldChange",
    "FragmentSink",
    "FragmentWriters",
    "KernelSource",
    "NoteField",
    "Origins",
    "OtherNames",
    "RenameField",
    "ReplaceField",
    "ScanCaps",
    "ScanRequest",
    "Snapshot",
    "Source",
    "Split",
    "Storage",
    "TableCare",
    "TableHandle",
    "TableName",
    "TableStore",
    "Tag",
    "Version",
    "WriteMode",
]

CATALOG = "grism"
DEFAULT_SCHEMA = "main"
ROW_STAYS = "__grism_stays"
"""The column of changed rows that says whether the row stays, with new values, or goes; bool."""


@dataclass(frozen=True, order=True)
class TableName:
    """A table's full name inside the catalog `grism`. Names compare without regard to case through `key`."""

    schema: str
    table: str

    @property
    def key(self) -> tuple[str, str]:
        """Equal for names that differ only in case."""
        return self.schema.lower(), self.table.lower()

    def __str__(self) -> str:
        return f"{self.schema}.{self.table}"


Origins = tuple[TableName | None, ...]
"""Of each column of a result the table that it is a plain column of; None where it is computed."""


@dataclass(frozen=True)
class Tag:
    """The version of a table that has this name. Case counts."""

    name: str


Version = str | Tag
"""A version as it is asked for: by its own number, or by its tag."""


@dataclass(frozen=True)
class ScanCaps:
    """What a source can do for a scan. What it cannot, the kernel does above it."""

    predicate_pushdown: bool = False


@dataclass(frozen=True)
class TableHandle:
    """One version of one table.

    `kind` names the storage kind (``memory``, ``lance``, ``parquet``), `location` is that kind's own address of the
    data, `version` its pinned version, `rows` and `bytes` are statistics (None where unknown; `bytes` uncompressed
    in Arrow memory where the kind knows it, else stored bytes).
    """

    name: TableName
    kind: str
    location: tuple[str, ...]
    version: str
    rows: int | None
    bytes: int | None
    caps: ScanCaps = ScanCaps()
    addressed: bool = False
    """Whether the table has the column `ROW_ADDRESS` behind its own."""
    search: Search | None = None
    """What finds some of its rows; the search's own columns stand behind the table's."""
    beside: tuple[str, ...] = ()
    """Columns whose values are large and lie beside the rows: they are read best by the addresses of few rows."""


@dataclass(frozen=True)
class Split:
    """A part of a table that any worker can open: `part` is the kind's own description (JSON-like, picklable)."""

    table: TableHandle
    part: tuple[Any, ...]
    rows: int | None = None
    bytes: int | None = None


@dataclass(frozen=True)
class ScanRequest:
    """What a scan wants: `columns` in order, a `filter` over the table's own column names, a `limit` in rows.

    The source may use `filter` and `limit` to read less, never to answer more narrowly than asked: `limit` counts
    rows that pass `filter`, and only a source whose filter is exact may apply a limit below one.
    """

    columns: tuple[str, ...]
    filter: exp.Expr | None = None
    limit: int | None = None
    queries: pa.Array | None = None
    """What is searched for, lists of float64 or texts, where a search has many queries."""
    addresses: pa.Array | None = None
    """The rows wanted, by `ROW_ADDRESS`, in that order; `filter` and `limit` are for others than these then."""


@dataclass(frozen=True)
class ArrowSource:
    """Arrow data that is registered with the kernel. A Table brings its row count, a Dataset takes pushdown.

    Of a stream `length` is the number of its rows, where that is known. Of what a search has found `in_order` says that
    the best stand first.
    """

    data: pa.Table | ds.Dataset | pa.RecordBatchReader
    length: int | None = None
    in_order: bool = False


@dataclass(frozen=True)
class KernelSource:
    """Data that the kernel reads by itself: `query` is a SELECT, as over ``read_parquet([...])``.

    `required` has the names of columns that are known to hold no NULL; a `TableStore.probe` tells them.
    """

    query: exp.Select
    required: frozenset[str] = frozenset()


Source = ArrowSource | KernelSource


@dataclass(frozen=True)
class AddField:
    """A new column behind the others; NULL in all rows where there are no `values`, which come in any order."""

    field: pa.Field
    values: pa.RecordBatchReader | None = None
    is_valid: bool = False


@dataclass(frozen=True)
class DropField:
    """A column that goes."""

    name: str


@dataclass(frozen=True)
class RenameField:
    """Another name for a column."""

    name: str
    to: str


@dataclass(frozen=True)
class NoteField:
    """What is noted in the metadata of a column, instead of what is there, and whether it takes NULLs (None: as now).

    InvalidValueError where it is to take none and has some.
    """

    name: str
    metadata: Mapping[bytes, bytes]
    nullable: bool | None = None


@dataclass(frozen=True)
class ReplaceField:
    """A column in place of the one of its name. `values` has `ROW_ADDRESS`, in order, and the column, for all rows.

    Indexes of the column are built anew; SchemaMismatchError where one is of a kind that is not for the new type.
    """

    field: pa.Field
    values: pa.RecordBatchReader
    is_valid: bool = False


FieldChange = AddField | DropField | RenameField | NoteField | ReplaceField


class WriteMode(Enum):
    """What a write does with a table that is there or not."""

    CREATE = "create"  # TableExistsError where the table is there
    APPEND = "append"  # UnknownTableError where it is not
    REPLACE = "replace"  # in one step; creates where it is not
    CREATE_APPEND = "create_append"  # creates or appends


class FragmentSink(Protocol):
    """Takes parts of the rows of one write, in whatever process they are made; picklable."""

    @property
    def table(self) -> TableName:
        """The table that is written."""

    def write(self, rows: pa.RecordBatchReader) -> list[str]:
        """Write all `rows`, which are seen by nobody yet; returns what is to be told of them.

        Raises what `TableStore.write` raises for rows that do not fit.
        """


FragmentWriters = Callable[[FragmentSink], Sequence[str]]
"""Has all rows of a write put into a sink, and returns what it told of the parts, in the order of the rows."""


class Snapshot(Protocol):
    """The versions that one query reads. A table's version is pinned when it is first resolved."""

    def table(self, name: TableName, version: Version | None = None, at: datetime | None = None) -> TableHandle:
        """The pinned handle; for time travel that of `version`, or of the version that was current `at` an instant.

        Raises UnknownTableError (naming the nearest table or tag, or the versions that are there), DataCorruptError for
        a table whose files cannot be read, and UnsupportedError where the kind keeps no versions.
        """


class OtherNames(Protocol):
    """What else has names in the schemas of a storage: its views."""

    def has(self, name: TableName) -> bool:
        """Whether something has the name."""

    def names_in(self, schema: str) -> list[TableName]:
        """What is in the schema."""

    def remove_in(self, schema: str) -> None:
        """Remove all that is in the schema, also of one that was dropped."""


class TableCare(Protocol):
    """What keeps one table in order. Thread-safe, also against other processes. All raise StorageError."""

    def layout(self) -> LayoutFacts:
        """How the table lies, told without reading any of its files but the newest version's own."""

    def optimize(self, threads: int | None = None) -> OptimizeReport:
        """Join small fragments, drop deleted rows from their files, and bring indexes up to date.

        Files are written by so many threads, or by as many as there are processors.

        Raises ConflictError where a writer was faster; what was done till then stays.
        """

    def vacuum(self, retain: timedelta, in_use: Callable[[], Collection[TableHandle]]) -> VacuumReport:
        """Remove the versions that have not been current for as long as `retain`, and what dead writers left.

        The newest stays, and so do those with tags, those `in_use`, and what writers that have begun may need.
        """

    def versions(self) -> list[VersionFacts]:
        """The versions that there are, the newest first."""

    def tags(self) -> list[TagFacts]:
        """The tags, by name."""

    def create_tag(self, name: str, version: TableHandle, *, replace: bool = False) -> None:
        """Give a version a name; TableExistsError where another has it, unless it is to `replace` that."""

    def drop_tag(self, name: str) -> None:
        """Remove a tag; UnknownTableError, with the nearest, where it is not there."""

    def restore(self, version: TableHandle) -> None:
        """Make the content of a version the table's newest, in a version of its own.

        Whoever changes rows of what was newest before then gets a ConflictError.
        """


class TableStore(Protocol):
    """Named tables that can be written. Thread-safe."""

    def tables(self, schema: str | None = None) -> list[TableName]:
        """Table names, sorted, of one schema or of all. Opens no table."""

    def snapshot(self) -> Snapshot:
        """A view of the tables as they are now."""

    def probe(self, table: TableHandle) -> Source:
        """All columns of the table in order, for the kernel's binder to describe; its rows may be left out."""

    def takes_fragments(self, name: TableName) -> bool:
        """Whether `write` lets its `writers` write the rows of this table."""

    def write(
        self,
        name: TableName,
        data: pa.RecordBatchReader,
        mode: WriteMode,
        *,
        is_valid: bool = False,
        writers: FragmentWriters | None = None,
    ) -> int:
        """Write all of `data` or nothing; returns the number of rows.

        Where there are `writers`, the same rows may be had from them instead; one of both is used.

        The data is validated in full, but where it is known to be valid: the kernel made it, or it came by an Entrance.
        An append matches columns by name, in any order; those that the data has not are NULL. Raises
        SchemaMismatchError before anything is written where the columns do not fit the table's; TableExistsError and
        UnknownTableError by `mode`; StorageError where the storage fails; UnsupportedError where it is read-only.
        """

    def rewrite(self, table: TableHandle, data: pa.RecordBatchReader, *, is_valid: bool = False) -> int:
        """Replace the rows and columns of a table that is still at this version; all or nothing, returns the rows.

        Indexes are built anew, but of columns that go. Raises ConflictError where it is at another version,
        SchemaMismatchError where an index is of a kind that its column cannot have any more, and else what `write`
        raises.
        """

    def with_addresses(self, table: TableHandle) -> TableHandle | None:
        """The same version with the addresses of its rows, for `change`; None where rows are not changed singly."""

    def change(
        self,
        table: TableHandle,
        changed: pa.RecordBatchReader,
        added: pa.RecordBatchReader | None = None,
        *,
        is_valid: bool = False,
    ) -> None:
        """Change single rows of a table that was read with addresses, and add others; all or nothing.

        `changed` has `ROW_ADDRESS`, `ROW_STAYS` and new values of some columns, each row once; `added` whole rows.
        Where rows are added the table must still be at this version. Else others may have appended meanwhile, and
        changed other parts of it: ConflictError where the change does not fit any more. SchemaMismatchError, before
        anything is read, where values do not fit the columns; else what `write` raises.
        """

    def alter(self, table: TableHandle, change: FieldChange) -> bool:
        """Change one column of a table that is still at this version, without a look at the others.

        False, and nothing is done, where the storage cannot: then the table is to be rewritten. Raises ConflictError
        where somebody else was faster, and else what `write` raises.
        """

    def indexes(self, table: TableHandle) -> TableIndexes:
        """The indexes of this version of a table."""

    def drop(self, name: TableName) -> None:
        """Remove the table; UnknownTableError where it is not there. Running queries keep their version."""

    def reserve(self, name: TableName) -> AbstractContextManager[None]:
        """Within, no change of the table by others takes effect, of whatever process: those wait.

        For one that others have outrun again and again. Does nothing where the storage knows no such thing.
        """

    def care(self, name: TableName) -> TableCare:
        """What keeps a table in order; UnsupportedError where nothing need, UnknownTableError where it is not there."""

    def rename(self, name: TableName, to: str) -> None:
        """Give the table another name in its schema. Running queries keep their version.

        Raises UnknownTableError where it is not there, TableExistsError where something has the name, and
        UnsupportedError where it is read-only.
        """


class Storage(TableStore, Protocol):
    """Tables in schemas, that can be read in parts by any worker. Thread-safe."""

    def schemas(self) -> list[str]:
        """Schema names, sorted; always has ``main``."""

    def read_only(self) -> set[TableName]:
        """The tables that cannot be written to. Opens no table."""

    def stored_facts(self, table: TableHandle) -> StoredFacts:
        """How this version of a table is stored; reads no rows."""

    def splits(self, table: TableHandle, target: int) -> list[Split]:
        """The table cut into about `target` parts, that together hold each row once; at least one part."""

    def open(self, data: TableHandle | Split, request: ScanRequest) -> Source:
        """What the kernel reads for this table or part of it: the columns asked for, under the table's own names.

        A request for no columns gives some one column, so that rows can be counted. Raises StorageError where the
        version that the handle pins is gone, and DataCorruptError where its files cannot be read.
        """

    def search(self, table: TableHandle, request: SearchRequest, conditions: Conditions) -> TableHandle:
        """The rows of the table that a search finds, with their addresses and the search's own columns.

        Raises UnsupportedError for a kind of table that is not searched, for conditions that must hold before and
        that the storage cannot apply as SQL does; UnknownColumnError, TypeMismatchError and InvalidValueError for what
        does not fit the table.
        """

    def create_schema(self, name: str) -> None:
        """Make a schema; TableExistsError where it is there."""

    def drop_schema(self, name: str, along: Collection[TableName] = ()) -> None:
        """Remove a schema together with the tables and views `along`, in one step.

        Raises PlanningError where it has others, UnknownTableError where it is not there.
        """

    def share_names(self, others: OtherNames) -> None:
        """Make no table under a name that is one of `others`, and drop no schema that has some."""

    def vacant(self, name: TableName) -> AbstractContextManager[None]:
        """Within, no table has the name, and none is made and the schema is not dropped, by whatever process.

        Raises TableExistsError where there is such a table, UnknownTableError where the schema is not there.
        """

    def directories(self) -> Sequence[str]:
        """The folders below which the kernel may read files."""
