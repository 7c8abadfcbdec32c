"""Lance datasets as tables: pinned versions, splits by rows, sources for the kernel.

A version never changes, so an opened one is kept for further queries. The manifest's time of change tells a version
from one of the same number in a dataset that took the place of another; a handle whose version is gone is refused.

What a scan gives: a Table where the columns wanted take little memory, since a Table tells the kernel's optimizer how
many rows it has, and a stream else.
"""

from __future__ import annotations

import logging
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from datetime import UTC, datetime
from functools import partial
from typing import Any

import lance
import pyarrow as pa
from sqlglot import exp

from engine.cache import LruCache
from engine.errors import DataCorruptError, UnsupportedError
from engine.storage import lance_apart
from engine.storage.care import StoredFacts
from engine.storage.cutting import cut
from engine.storage.indexes import IndexUse, StoredIndex
from engine.storage.lance_blobs import scan_options, take_rows, written_fields
from engine.storage.lance_estimates import Estimates
from engine.storage.lance_failures import require_version, run_read, versions_of
from engine.storage.lance_manifests import count_versions, manifest_identity, newest_manifest
from engine.storage.lance_opened import Facts, OpenedVersion, first_version, opened_version
from engine.storage.lance_search import find, find_each, resolve_search, restrict, search_parts
from engine.storage.names import unknown_tag, unknown_version
from engine.storage.protocol import (
    ROW_ADDRESS,
    ArrowSource,
    ScanCaps,
    ScanRequest,
    Split,
    TableHandle,
    TableName,
    Tag,
    Version,
)
from engine.storage.pushdown import PushedFilter
from engine.storage.search import Conditions, SearchRequest, TextRequest
from engine.storage.stored_types import ReadFields

__all__ = ["KIND", "LanceTables", "tags_of"]

KIND = "lance"
CAPS = ScanCaps(predicate_pushdown=True)
BATCH_ROWS = 65_536
BATCH_BYTES = 16 << 20
KEPT_OPEN = 64
KEPT_FACTS = 4096

log = logging.getLogger(__name__)


class LanceTables:
    """Handles, splits and sources of Lance datasets. Thread-safe.

    A scan whose columns are estimated at no more than `table_bytes` becomes a Table in memory.
    """

    def __init__(self, table_bytes: int = 64 << 20) -> None:
        self._table_bytes = table_bytes
        self._open: LruCache[tuple[str, str, int], OpenedVersion] = LruCache(KEPT_OPEN)
        self._facts: LruCache[tuple[str, str, int], Facts] = LruCache(KEPT_FACTS)
        self._estimates = Estimates()

    def handle(
        self, name: TableName, path: str, version: Version | None = None, at: datetime | None = None
    ) -> TableHandle:
        """The newest version, `version` (a number), or the one that was current `at` an instant (UTC where naive).

        Raises UnknownTableError for a version that is not there, DataCorruptError for a dataset that cannot be read.
        """
        if version is not None or at is not None:
            return self._handle(name, path, None, version, at)
        while True:
            found = newest_manifest(path)
            try:
                return self._handle(name, path, found)
            except DataCorruptError:
                if found in (None, newest_manifest(path)):
                    raise  # else the newest one was replaced and removed while it was opened

    def _handle(
        self,
        name: TableName,
        path: str,
        found: tuple[int, str] | None,
        version: Version | None = None,
        at: datetime | None = None,
    ) -> TableHandle:
        """The version that was `found`, with its identity, by the names of the manifests; else the one asked for."""
        newest = None
        if found is None:
            newest = run_read(name, lambda: lance.dataset(path))
            wanted = newest.version
            if version is not None or at is not None:
                wanted = _wanted_version(name, path, newest, version, at)
            found = wanted, manifest_identity(path, wanted)
            newest = newest if newest.version == wanted else None
        wanted, identity = found
        facts = (
            self._facts.get((path, identity, wanted)) or self._open_version(name, path, identity, wanted, newest).facts
        )
        location = path, identity
        return TableHandle(name, KIND, location, str(wanted), facts.rows, facts.bytes, CAPS, beside=facts.beside)

    def probe(self, table: TableHandle) -> ArrowSource:
        """A Table of all columns and no rows.

        Raises InvalidDataError or UnsupportedError, by the column's name, for types that cannot be read.
        """
        path, identity = table.location
        facts = self._facts.get((path, identity, int(table.version)))
        facts = facts or self._open_pinned(table).facts
        _require_distinct_names(table.name, facts.checked)
        return ArrowSource(pa.Table.from_batches([], facts.fields(table)))

    def dataset(self, table: TableHandle) -> Any:
        """Lance's own view of the version."""
        return self._open_pinned(table).dataset

    def search(self, table: TableHandle, request: SearchRequest, conditions: Conditions) -> TableHandle:
        """The rows that a search finds; see `Storage.search`."""
        opened = self._open_pinned(table)
        rows = {f.fragment_id: n for f, n in zip(opened.fragments, opened.fragment_rows, strict=True)}
        search = run_read(table, lambda: resolve_search(table.name, opened.dataset, rows, request))
        search = restrict(search, conditions, opened.push_filter)
        if search.is_each:
            return replace(table, addressed=True, search=search, rows=None, bytes=None)
        if search.is_exact:
            return replace(table, addressed=True, search=search)
        return replace(table, addressed=True, search=search, rows=min(opened.rows, request.k), bytes=None)

    def stored_indexes(self, table: TableHandle) -> tuple[StoredIndex, ...]:
        """The indexes of the version, by name."""
        opened = self._open_pinned(table)
        return run_read(table, lambda: opened.indexes)

    def stored_facts(self, table: TableHandle) -> StoredFacts:
        """How the version is stored; the files of versions are counted, and none is opened."""
        path, identity = table.location
        version = int(table.version)
        facts = self._facts.get((path, identity, version)) or self._open_pinned(table).facts
        return StoredFacts(facts.fragments, count_versions(path, facts.first_version), facts.indexes)

    def used_indexes(self, table: TableHandle, predicate: exp.Expr | None) -> tuple[IndexUse, ...]:
        """The indexes that a scan of the version with this filter asks, as Lance plans it."""
        opened = self._open_pinned(table)
        pushed = self._push_filter(table, opened, predicate)
        if table.search is not None or not pushed.asks_indexes:
            return ()
        scanner = opened.dataset.scanner(columns=[opened.cheapest], filter=pushed.text)
        plan = run_read(table, lambda: str(scanner.explain_plan()))
        return tuple(IndexUse(i.name, i.kind, i.columns[0]) for i in opened.indexes if f"]@{i.name}(" in plan)

    def finds_few(self, table: TableHandle, predicate: exp.Expr | None) -> bool:
        """Whether a scan of the version with this filter looks up single values in an index."""
        return table.search is None and self._push_filter(table, self._open_pinned(table), predicate).finds_few

    def look_up(self, table: TableHandle, wanted: pa.Schema, predicate: exp.Expr) -> pa.Table | None:
        """The few rows that an index finds; see `TableIndexes.look_up`."""
        opened = self._open_pinned(table)
        pushed = self._push_filter(table, opened, predicate)
        if not pushed.exact or not pushed.finds_few:
            return None
        if any(opened.schema.field(field.name).type != field.type for field in wanted):
            return None
        options = {"filter": pushed.text, "use_scalar_index": pushed.asks_indexes}
        found = self._scan(table, opened, wanted.names, opened.rows, pushed, options).data
        return found if isinstance(found, pa.Table) else None

    def newest(self, name: TableName, path: str) -> tuple[Any, str]:
        """Lance's own view of the newest version, and the identity of that; raises as `handle`."""
        found = newest_manifest(path)
        if found is None:
            dataset = run_read(name, lambda: lance.dataset(path))
            return dataset, manifest_identity(path, int(dataset.version))
        return self._open_version(name, path, found[1], found[0]).dataset, found[1]

    def keep(self, name: TableName, path: str, dataset: Any) -> None:
        """Keep a version that was just made, so that it need not be opened."""
        version = int(dataset.version)
        if identity := manifest_identity(path, version):
            self._open_version(name, path, identity, version, dataset)

    def splits(self, table: TableHandle, target: int) -> list[Split]:
        """Parts of about equal numbers of rows, cut between fragments where that is near.

        A part is (first fragment, end of fragments, rows to skip, rows to take or None for all that is left); of a
        search for many queries it is a share of the queries: (which, of how many).
        """
        if table.search is not None and table.search.is_each:
            return [Split(table, (share, target)) for share in range(target)]
        opened = self._open_pinned(table)
        if table.search is not None:
            return [
                Split(table, (start, stop, 0, None), rows)
                for start, stop, rows in search_parts(table.search, opened.fragment_rows, target)
            ]
        groups = cut(opened.fragment_rows, target)
        if len(groups) <= 1:
            return [Split(table, (0, len(opened.fragments), 0, None), table.rows, table.bytes)]
        splits = []
        for pieces in groups:
            first, last = pieces[0], pieces[-1]
            rows = sum(piece.rows for piece in pieces)
            whole = first.start == 0 and last.stop == opened.fragment_rows[last.unit]
            part = (first.unit, last.unit + 1, first.start, None if whole else rows)
            size = None if table.bytes is None else table.bytes * rows // max(1, opened.rows)
            splits.append(Split(table, part, rows, size))
        return splits

    def open(self, data: TableHandle | Split, request: ScanRequest) -> ArrowSource:
        """The columns wanted, with as much of the filter and the limit as Lance can apply without loss.

        Rows of a part of a fragment are found by their position, which a filter would move: no filter there.
        """
        table = data.table if isinstance(data, Split) else data
        opened = self._open_pinned(table)
        if table.search is not None:
            fragments = opened.fragments[data.part[0] : data.part[1]] if isinstance(data, Split) else None
            found = self._find_rows(opened, table, request, fragments)
            return ArrowSource(
                found, in_order=isinstance(table.search.request, TextRequest) and not table.search.is_each
            )
        columns = request.columns or (opened.cheapest,)
        if request.addresses is not None:
            fields = opened.read_fields(table, tuple(columns))
            return ArrowSource(self._take_rows(opened, fields, request.addresses))
        options: dict[str, Any] = {}
        rows, skip, take, is_whole = opened.rows, 0, None, True
        if isinstance(data, Split):
            start, stop, skip, take = data.part
            options["fragments"] = list(opened.fragments[start:stop])
            rows = sum(opened.fragment_rows[start:stop]) if take is None else take
            is_whole = stop - start == len(opened.fragments)
        limit = request.limit
        if not request.columns and request.filter is None:
            return ArrowSource(pa.table({"present": pa.nulls(rows if limit is None else min(rows, limit))}))
        if take is not None:
            rows = take if limit is None or request.filter is not None else min(take, limit)
            return self._scan(
                table, opened, columns, rows, PushedFilter(None, True), options | {"offset": skip, "limit": rows}
            )
        if is_whole:
            pushed = self._push_filter(table, opened, request.filter)
        else:  # each part would ask the whole index
            pushed = replace(opened.push_filter(request.filter), asks_indexes=False, finds_few=False)
        if pushed.text is not None:
            options |= {"filter": pushed.text, "use_scalar_index": pushed.asks_indexes}
        if limit is not None and pushed.exact and not pushed.asks_indexes:  # in whose order rows would come
            options["limit"] = limit
            rows = min(rows, limit)
        return self._scan(table, opened, columns, rows, pushed, options)

    def _scan(
        self,
        table: TableHandle,
        opened: OpenedVersion,
        columns: Sequence[str],
        rows: int,
        pushed: PushedFilter,
        options: Mapping[str, Any],
    ) -> ArrowSource:
        """What Lance's scanner gives with these `options`: a table where that is small, else a stream.

        Without a filter among the options it has so many `rows`.
        """
        fields = opened.read_fields(table, tuple(columns))
        blobs = scan_options(fields.schema)

        def scan() -> pa.RecordBatchReader:
            sizes = {"batch_size": BATCH_ROWS, "batch_size_bytes": BATCH_BYTES, **blobs}
            if opened.are_read_together:
                return fields.guard_reader(
                    opened.dataset.scanner(columns=list(columns), **sizes, **options).to_reader()
                )
            return fields.guard_reader(lance_apart.scan(opened.dataset, columns, **sizes, **options))

        def is_small() -> bool:
            width = opened.width([c for c in columns if c != ROW_ADDRESS])
            return not blobs and rows * width <= self._table_bytes  # how large blobs are is not known before

        if pushed.finds_few or is_small():
            small = run_read(table, lambda: self._read(scan()))
            if pushed.finds_few:
                self._estimates.note(opened, pushed, None if small is None else small.num_rows)
            if small is not None:
                return ArrowSource(small)
        return ArrowSource(run_read(table, scan), None if "filter" in options else rows)

    def _take_rows(self, opened: OpenedVersion, fields: ReadFields, addresses: pa.Array) -> pa.RecordBatchReader:
        """The rows of these addresses, in that order, which are read as the stream is."""

        def batches() -> Iterator[pa.RecordBatch]:
            for start in range(0, len(addresses), BATCH_ROWS):
                for batch in take_rows(opened.dataset, addresses.slice(start, BATCH_ROWS), fields.schema.names):
                    yield pa.RecordBatch.from_arrays(batch.columns, schema=stored)

        schema = opened.dataset.schema
        stored = written_fields(pa.schema([schema.field(name) for name in fields.schema.names]))
        return fields.guard_reader(pa.RecordBatchReader.from_batches(stored, batches()))

    def _find_rows(
        self, opened: OpenedVersion, table: TableHandle, request: ScanRequest, fragments: Sequence[Any] | None
    ) -> pa.Table:
        """The rows that a search finds in the table, or in some of its fragments."""
        assert table.search is not None
        search, known = table.search, opened.fields(table)
        wanted = opened.read_fields(table, tuple(request.columns or (search.column,)))
        names = wanted.schema.names

        def read() -> pa.Table:
            if request.queries is not None:
                found = find_each(table.name, opened.dataset, search, names, request.queries, known)
            else:
                found = find(table.name, opened.dataset, search, names, fragments, known)
            return wanted.guard_table(found)

        return run_read(table, read)

    def _read(self, reader: pa.RecordBatchReader) -> pa.Table | None:
        """All rows as a Table, or None where the estimate was wrong and they take more than twice the limit."""
        batches, size = [], 0
        for batch in reader:
            batches.append(batch)
            size += batch.nbytes
            if size > 2 * self._table_bytes:
                return None
        return pa.Table.from_batches(batches, reader.schema).replace_schema_metadata(None)

    def _push_filter(self, table: TableHandle, opened: OpenedVersion, predicate: exp.Expr | None) -> PushedFilter:
        """What of a filter Lance applies; by indexes only where these are worth to be asked."""
        pushed = opened.push_filter(predicate)
        if pushed.asks_indexes:
            asks = partial(self._estimates.is_worth_asking, opened, pushed)
            if not run_read(table, asks):
                return replace(pushed, asks_indexes=False, finds_few=False)
        return pushed

    def _open_pinned(self, table: TableHandle) -> OpenedVersion:
        path, identity = table.location
        version = int(table.version)
        require_version(table)
        return self._open_version(table, path, identity, version)

    def _open_version(
        self, name: TableName | TableHandle, path: str, identity: str, version: int, dataset: Any = None
    ) -> OpenedVersion:
        key = (path, identity, version)
        found = self._open.get(key)
        if found is None:
            if dataset is None:
                dataset = run_read(name, lambda: lance.dataset(path, version=version))
            found = run_read(name, lambda: opened_version(dataset))
            self._open.put(key, found)
            self._facts.put(key, found.facts)
        return found


def _require_distinct_names(name: TableName, schema: pa.Schema) -> None:
    """Raise UnsupportedError for columns whose names differ in nothing but case: the kernel makes no difference."""
    known: dict[str, str] = {}
    for column in schema.names:
        other = known.setdefault(column.lower(), column)
        if other != column:
            raise UnsupportedError(
                f'Table "{name}" has columns "{other}" and "{column}", which SQL cannot tell apart; rename one with '
                "the tool that wrote the table."
            )


def tags_of(dataset: Any) -> dict[str, int]:
    """The versions that have tags, by these; also of a table that was dropped, but not of branches."""
    return {tag: int(told["version"]) for tag, told in dataset.tags.list().items() if not told.get("branch")}


def _wanted_version(name: TableName, path: str, newest: Any, version: Version | None, at: datetime | None) -> int:
    """The number of the version that was asked for, one of the table as it is now."""
    first, last = first_version(newest.schema), int(newest.version)
    if isinstance(version, Tag):
        known = {tag: number for tag, number in run_read(name, lambda: tags_of(newest)).items() if number >= first}
        if version.name not in known:
            raise unknown_tag(name, version.name, known)
        return known[version.name]
    if at is not None:
        instant = at if at.tzinfo is not None else at.replace(tzinfo=UTC)
        # Lance gives the local time.
        found = [
            int(v["version"])
            for v in versions_of(name, newest)
            if v["version"] >= first and v["timestamp"].astimezone(UTC) <= instant
        ]
        if found:
            return max(found)
    elif version is not None and re.fullmatch(r"[0-9]{1,18}", version.strip()):
        number = int(version)
        if first <= number <= last and manifest_identity(path, number):
            return number
    raise unknown_version(name, at if at is not None else version or "", first, last)
