"""One version of a Lance dataset, opened, and what is known of it."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import pyarrow as pa
from sqlglot import exp

from engine.arrow_input import check_stored
from engine.cache import LruCache
from engine.storage.indexes import StoredIndex
from engine.storage.lance_apart import are_read_together
from engine.storage.lance_blobs import is_blob
from engine.storage.lance_search import search_fields
from engine.storage.lance_unread import readable_fields, require_readable
from engine.storage.protocol import ROW_ADDRESS, TableHandle
from engine.storage.pushdown import Columns, PushedFilter, push
from engine.storage.stored_indexes import are_behind, count_indexes, kinds_by_column, stored_indexes
from engine.storage.stored_types import ReadFields

__all__ = ["FIRST_VERSION", "Facts", "OpenedVersion", "first_version", "opened_version"]

FIRST_VERSION = b"grism.first_version"  # schema metadata: the versions before it belong to a table that was dropped
_ADDRESS = pa.field(ROW_ADDRESS, pa.uint64())
_KEPT_FIELDS = 64

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Facts:
    """What is asked of one version without its rows: live rows, bytes as stored, fragments, the first version that
    belongs to the table, and how many indexes it has (None where what tells of them cannot be read)."""

    schema: pa.Schema
    rows: int
    bytes: int | None
    fragments: int
    first_version: int
    indexes: int | None

    @cached_property
    def beside(self) -> tuple[str, ...]:
        """The columns whose values lie beside the others."""
        return tuple(field.name for field in self.schema if is_blob(field))

    @cached_property
    def checked(self) -> pa.Schema:
        """The columns. Raises InvalidDataError or UnsupportedError, by the column's name, where one cannot be read."""
        check_stored(self.schema)
        return self.schema

    def fields(self, table: TableHandle) -> pa.Schema:
        """The columns, and those that the handle of this version stands for besides."""
        schema = self.schema
        if table.search is not None:
            for field in search_fields(table.search):
                schema = schema.append(field)
        return schema.append(_ADDRESS) if table.addressed else schema


@dataclass(frozen=True)
class OpenedVersion:
    """One version of a dataset, with its fragments and their live rows."""

    dataset: Any
    facts: Facts

    @cached_property
    def fragments(self) -> tuple[Any, ...]:
        return tuple(self.dataset.get_fragments())

    @cached_property
    def fragment_rows(self) -> tuple[int, ...]:
        return tuple(fragment.metadata.num_rows for fragment in self.fragments)

    @cached_property
    def indexes(self) -> tuple[StoredIndex, ...]:
        return stored_indexes(self.dataset)

    def push_filter(self, predicate: exp.Expr | None) -> PushedFilter:
        """What of a filter Lance applies, by its indexes or without."""
        return PushedFilter(None, exact=True) if predicate is None else push(predicate, self._columns)

    @cached_property
    def _columns(self) -> Columns:
        return Columns(self.schema, self.kinds)

    @cached_property
    def kinds(self) -> dict[str, frozenset[str]]:
        """The kinds of index that columns have, as far as they are to be asked; none where what tells of indexes cannot
        be read, which scans can do without."""
        try:
            return {} if are_behind(self.dataset) else kinds_by_column(self.indexes)
        except (ValueError, OSError, RuntimeError) as error:
            log.warning("The indexes of a Lance table cannot be read, and are not asked: %s", error)
            return {}

    @property
    def schema(self) -> pa.Schema:
        return self.facts.schema

    @cached_property
    def are_read_together(self) -> bool:
        """Whether Lance reads any of the columns, one beside the other."""
        return are_read_together(self.dataset)

    @property
    def rows(self) -> int:
        return self.facts.rows

    @property
    def cheapest(self) -> str:
        """The column that is read in order to count rows."""
        return min(self.schema, key=lambda field: _fixed_width(field.type) or 1e9).name  # type: ignore[no-any-return]

    def fields(self, table: TableHandle) -> pa.Schema:
        """As `Facts.fields`, made once for all handles that stand for the same columns."""
        key = _stands_for(table)
        found = self._fields.get(key)
        if found is None:
            found = self.facts.fields(table)
            self._fields.put(key, found)
        return found

    @cached_property
    def _fields(self) -> LruCache[Any, pa.Schema]:
        return LruCache(_KEPT_FIELDS)

    def read_fields(self, table: TableHandle, columns: tuple[str, ...]) -> ReadFields:
        """Some of the fields that are to be read. Raises UnsupportedError for what is not read."""
        key = (columns, *_stands_for(table))
        found = self._read_fields.get(key)
        if found is None:
            known = self.fields(table)
            wanted = pa.schema([known.field(column) for column in columns])
            require_readable(table.name, wanted)
            check_stored(wanted)
            found = ReadFields(wanted)
            self._read_fields.put(key, found)
        return found

    @cached_property
    def _read_fields(self) -> LruCache[Any, ReadFields]:
        return LruCache(_KEPT_FIELDS)

    def width(self, columns: Sequence[str]) -> float:
        """About how many bytes a row of these columns takes in memory. Where a value's size is not in its type, four
        times its share of the stored row is assumed, at least 12 bytes."""
        share = 4 * (self.facts.bytes or 0) / max(1, self.rows) / len(self.schema)
        return sum(_fixed_width(self.schema.field(c).type) or max(12.0, share) for c in columns)


def _stands_for(table: TableHandle) -> tuple[object, ...]:
    """What a handle of the version has columns for besides the table's own."""
    search = table.search
    return table.addressed, None if search is None else (search.column, search.is_each)


def opened_version(dataset: Any) -> OpenedVersion:
    """What a dataset, which is open at a version, tells of it."""
    told = dataset.get_version()["metadata"]
    rows, size = int(told["total_rows"]), int(told["total_files_size"])
    schema = dataset.schema
    facts = Facts(
        readable_fields(schema.remove_metadata(), dataset.data_storage_version),
        rows,
        size if size or not rows else None,  # else its writer did not note how large files are
        int(told["total_fragments"]),
        first_version(schema),
        count_indexes(dataset),
    )
    return OpenedVersion(dataset, facts)


def first_version(schema: pa.Schema) -> int:
    """The first version that belongs to the table as it is now."""
    return int((schema.metadata or {}).get(FIRST_VERSION, b"1"))


def _fixed_width(kind: pa.DataType) -> float | None:
    if pa.types.is_fixed_size_list(kind):
        width = _fixed_width(kind.value_type)
        return None if width is None else width * kind.list_size
    try:
        return float(kind.bit_width) / 8
    except ValueError:
        return None
