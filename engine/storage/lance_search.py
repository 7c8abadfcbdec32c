"""Searches of Lance datasets: by which index, and the rows that are found.

Where Lance has habits of its own, nothing is left to them: the metric and whether the index is used are always said,
conditions hold before the search, and of rows at the same distance those that lie first are taken, whichever part of
the table a scan reads.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import pairwise
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.types as pt
from sqlglot import exp

from engine.errors import InvalidValueError, UnsupportedError
from engine.storage.column_paths import find_field
from engine.storage.integer_search import NUMBERS_AT_ONCE, Nearest, has_no_null, nearest_integers
from engine.storage.lance_addresses import rows_at
from engine.storage.lance_blobs import scan_options
from engine.storage.lance_text_search import find_texts, find_texts_of_each, index_use, resolve_text_search
from engine.storage.protocol import ROW_ADDRESS, TableName
from engine.storage.pushdown import PushedFilter
from engine.storage.search import (
    DISTANCE,
    METRICS,
    QUERY,
    Conditions,
    Search,
    SearchRequest,
    TextRequest,
    VectorRequest,
)
from engine.storage.stored_indexes import are_behind
from engine.storage.vector_columns import COSINE, vector_column

__all__ = ["find", "find_each", "resolve_search", "restrict", "search_fields", "search_parts"]

_NUMBER = "query_index"
_REFINED = ("refine_factor", 10)
_EXACT = ("refine_factor", 1)
_FINITE = (float(np.finfo(np.float32).min), math.inf)  # a range of distances, without its end
_READ = 4_096  # vectors that are read at once
_ASKED = 10_000  # rows that could be compared while an index is asked


def search_fields(search: Search) -> list[pa.Field]:
    """The columns that a search gives besides the table's."""
    own = [pa.field(search.column, pa.float32())]
    query = pa.list_(pa.float64()) if isinstance(search.request, VectorRequest) else pa.string()
    return [*own, pa.field(QUERY, query)] if search.is_each else own


def resolve_search(name: TableName, dataset: Any, fragment_rows: dict[int, int], request: SearchRequest) -> Search:
    """How `request` is answered.

    `fragment_rows` are the live rows of the fragments by their ids. Raises UnknownColumnError, TypeMismatchError for a
    column that holds no vectors or a metric that does not fit them, InvalidValueError for another number of dimensions
    or a value that the vectors cannot have.
    """
    stored = {column.lower() for column in dataset.schema.names}
    given = [*(field.name for field in search_fields(Search(request))), ROW_ADDRESS]
    taken = [name for name in given if name in stored]
    if taken:
        own = taken[0]
        raise UnsupportedError(f'Table "{name}" has a column "{own}" of its own; rename it to search the table.')
    if isinstance(request, TextRequest):
        return resolve_text_search(name, dataset, fragment_rows, request)
    column = vector_column(name, find_field(name, dataset.schema, request.column))
    if column.is_multiple and request.each is not None:
        raise UnsupportedError(
            f'Column "{column.name}" of table "{name}" has several vectors in each row, which are searched for one '
            "query in a statement, a constant or a parameter."
        )
    column.require_metric(name, request.metric)
    request = replace(request, column=column.name)
    indexes = _indexes(dataset, column.name)
    metric = request.metric or next((metric for _, metric in indexes), column.metrics[0])
    asked = indexes if request.use_index and not are_behind(dataset) else []
    having = [index for index, its_metric in asked if its_metric == metric and index.num_rows_indexed]
    index = index_use(having[0], fragment_rows) if having else None
    if index is not None and len(indexes) > 1:
        # Of several Lance asks one, by no order that it tells, and none where the metric is another.
        index = replace(index, segments=tuple(str(segment.uuid) for segment in having[0].segments))
    column.encode(request, metric)
    if index is None and request.indexed_only:
        raise UnsupportedError(
            f'Column "{column.name}" of table "{name}" has no index by {metric} with rows in it, and only rows in one '
            "were asked for; make an index, or leave out indexed_only."
        )
    if index is None:
        return Search(request, metric, compared=sum(fragment_rows.values()))
    if "refine_factor" not in dict(request.effort):
        if column.is_multiple:
            # Without, rows are given at distances that are estimates, those with NaN too.
            request = replace(request, effort=(*request.effort, _REFINED))
        elif not index.kind.endswith("FLAT") and (metric == COSINE or (index.segments and index.unindexed)):
            # Without, Lance gives about twice the distance, but where there are rows that the index does not have.
            request = replace(request, effort=(*request.effort, _EXACT))
    return Search(request, metric, (index,), compared=index.unindexed + _ASKED)


def restrict(search: Search, conditions: Conditions, push: Callable[[exp.Expr], PushedFilter]) -> Search:
    """`search` among the rows that meet the conditions, as far as Lance applies them as SQL does: `push` tells.

    Raises UnsupportedError for a required one that it does not.
    """
    for condition in conditions.required:
        pushed = push(condition)
        if not pushed.exact or pushed.text is None:
            raise UnsupportedError(
                f"A search cannot be among the rows where {condition.sql('duckdb')}: Lance applies comparisons of "
                "columns that are no floats with constants, IN, BETWEEN and IS NULL, with AND, OR and NOT. "
                "A WHERE above the search filters what is found."
            )
    every = [*conditions.required, *conditions.wished]
    if not every:
        return replace(search, filters_after=conditions.others)
    pushed = push(exp.and_(*every))
    return replace(
        search,
        filter=pushed.text,
        asks_indexes=pushed.asks_indexes,
        held=tuple(condition for condition in every if push(condition).exact),
        filters_after=conditions.others or not pushed.exact,
    )


def search_parts(search: Search, fragment_rows: Sequence[int], target: int) -> Iterator[tuple[int, int, int]]:
    """About `target` groups of fragments that can be searched one by one, as (first, end, rows).

    An index is asked once, for the whole table.
    """
    if not search.is_exact:
        yield 0, len(fragment_rows), sum(fragment_rows)
        return
    size = max(1, math.ceil(sum(fragment_rows) / max(1, target)))
    start = rows = 0
    for i, count in enumerate(fragment_rows):
        if rows and rows + count / 2 > size:
            yield start, i, rows
            start, rows = i, 0
        rows += count
    yield start, len(fragment_rows), rows


def find(
    table: TableName,
    dataset: Any,
    search: Search,
    columns: Sequence[str],
    fragments: Sequence[Any] | None,
    schema: pa.Schema,
) -> pa.Table:
    """The rows that `search` finds in the table, or in some of its fragments, with these columns of `schema`.

    They are those of the lowest distances, and of equal ones those that lie first, in any order, and there may be one
    too many; or those of the highest scores, in order.
    """
    request = search.request
    if isinstance(request, TextRequest):
        return find_texts(dataset, search, request, columns, schema)
    column = vector_column(table, dataset.schema.field(request.column))
    vector = column.encode(request, search.metric)
    if vector is None:
        return schema.empty_table().select(list(columns))
    scan = _Scan(dataset, search, fragments, schema)
    if not column.is_compared_by_lance(search.metric):
        (nearest,) = scan.integers(vector[np.newaxis])
        return scan.rows(columns, nearest)
    names = list(dict.fromkeys([*columns, DISTANCE, ROW_ADDRESS]))
    if search.indexes:
        return scan.whole(names, vector, request.k).select(list(columns))
    found = scan.whole(names, vector, request.k + 1)
    order = np.sort(found.column(DISTANCE).to_numpy())
    if len(order) <= request.k or order[request.k - 1] < order[request.k]:
        return found.select(list(columns))
    return _with_first(scan, found, vector, float(order[request.k - 1])).select(list(columns))


def find_each(
    table: TableName, dataset: Any, search: Search, columns: Sequence[str], queries: pa.Array, schema: pa.Schema
) -> pa.Table:
    """What `search` finds for each of the `queries`: different lists of float64, or texts, none of them NULL."""
    request = search.request
    if not len(queries):
        return schema.empty_table().select(list(columns))
    own = [name for name in columns if name != QUERY] or [search.column]  # without any, a table has no rows
    if isinstance(request, TextRequest):
        found = find_texts_of_each(table, dataset, search, request, own, queries.to_pylist(), schema)
    else:
        found = _nearest_of_each(table, dataset, search, request, own, queries, schema)
    chosen = np.repeat(np.arange(len(queries)), [rows.num_rows for rows in found])
    return pa.concat_tables(found).append_column(QUERY, queries.take(pa.array(chosen))).select(list(columns))


def _nearest_of_each(
    table: TableName,
    dataset: Any,
    search: Search,
    request: VectorRequest,
    columns: Sequence[str],
    queries: pa.Array,
    schema: pa.Schema,
) -> list[pa.Table]:
    """The rows that are nearest to each of the queries."""
    column = vector_column(table, dataset.schema.field(request.column))
    asked = [replace(request, query=_numbers(query.values)) for query in queries]
    vectors = [vector for one in asked if (vector := column.encode(one, search.metric)) is not None]
    scan = _Scan(dataset, search, None, schema)

    def alone(one: VectorRequest) -> pa.Table:
        given = list(dict.fromkeys([*columns, DISTANCE, ROW_ADDRESS]))
        rows = find(table, dataset, replace(search, request=one), given, None, schema)
        return rows.sort_by([(name, "ascending") for name in (DISTANCE, ROW_ADDRESS)]).slice(0, request.k)

    if not column.is_compared_by_lance(search.metric):
        return [scan.rows(columns, nearest) for nearest in scan.integers(np.stack(vectors))]
    if pt.is_float64(column.items):  # of several queries Lance makes float32
        return [alone(one) for one in asked]
    return _of_each(scan, columns, vectors, lambda number: alone(asked[number]))


def _of_each(
    scan: _Scan, columns: Sequence[str], vectors: Sequence[np.ndarray[Any, Any]], alone: Callable[[int], pa.Table]
) -> list[pa.Table]:
    """The rows that are nearest to each of the vectors, by one scan; `alone` searches for one of them by itself."""
    if _NUMBER in scan.dataset.schema.names:
        raise UnsupportedError(f'The table has a column "{_NUMBER}", which Lance needs for many queries; rename it.')
    k, is_exact = scan.request.k, not scan.search.indexes
    names = list(dict.fromkeys([*columns, DISTANCE, ROW_ADDRESS]))
    every = scan.read(names, np.stack(vectors), k + is_exact)
    every = every.sort_by([(_NUMBER, "ascending"), (DISTANCE, "ascending"), (ROW_ADDRESS, "ascending")])
    numbers, distances = every.column(_NUMBER).to_numpy(), every.column(DISTANCE).to_numpy()
    bounds = np.searchsorted(numbers, np.arange(len(vectors) + 1))
    addresses = every.column(ROW_ADDRESS).to_numpy()
    not_whole = scan.not_whole(np.unique(addresses))
    every, parts = every.drop_columns([_NUMBER]), []
    for number, (start, stop) in enumerate(pairwise(bounds)):
        last = start + k - 1
        found = every.slice(start, min(stop - start, k))
        if np.isin(addresses[start:stop], not_whole).any():
            found = alone(number).select(names)
        elif is_exact and stop - start > k and distances[last] == distances[last + 1]:
            found = _with_first(scan, found, vectors[number], float(distances[last]))
        parts.append(found)
    return parts


def _numbers(query: pa.Array) -> bytes:
    """The numbers of a query. Raises InvalidValueError for NULL among them."""
    if query.null_count:
        raise InvalidValueError("There is a NULL among the numbers of a query.")
    return bytes(query.to_numpy().tobytes())


@dataclass(frozen=True)
class _Scan:
    """A search of vectors in a dataset, or in some of its fragments; `schema` has the columns that there are."""

    dataset: Any
    search: Search
    fragments: Sequence[Any] | None
    schema: pa.Schema

    @property
    def request(self) -> VectorRequest:
        """What is searched for."""
        assert isinstance(self.search.request, VectorRequest)
        return self.search.request

    def read(self, columns: Sequence[str], vectors: np.ndarray[Any, Any], k: int, **more: Any) -> pa.Table:
        """The rows that Lance finds; for several queries, the number of each, from 0, is in `_NUMBER`."""
        asked = {
            "column": self.request.column,
            # Lance would make float32 of an array of numpy.
            "q": pa.array(vectors) if vectors.ndim == 1 else vectors,
            "k": k,
            "metric": self.search.metric,
            "use_index": bool(self.search.indexes),
            **dict(self.request.effort),
            # Vectors so short that the square of their length is 0 in FLOAT are infinitely near or far to Lance.
            **({"distance_range": _FINITE} if self.search.metric == COSINE else {}),
            **more,
        }
        options = {"fast_search": self.request.indexed_only}
        if not self.search.indexes or not self.search.indexes[0].segments:
            return self._scanner(columns, nearest=asked, **options).to_table()
        (index,) = self.search.indexes
        # Where fragments are named, too, Lance finds rows in those that no segment has.
        whole = replace(self, fragments=None)
        found = whole._scanner(columns, nearest=asked, index_segments=index.segments, **options).to_table()
        if not index.unindexed or self.request.indexed_only:
            return found
        # Rows that are in no segment are left out otherwise.
        rest = replace(self, fragments=self._fragments_beside(index.name))
        every = rest._scanner(columns, nearest={**asked, "use_index": False}).to_table()
        return pa.concat_tables([found, every.select(found.column_names)])

    def _fragments_beside(self, index: str) -> list[Any]:
        """The fragments that an index does not have."""
        (described,) = (one for one in self.dataset.describe_indices() if one.name == index)
        covered = set().union(*(segment.fragment_ids for segment in described.segments))
        return [one for one in self.dataset.get_fragments() if one.fragment_id not in covered]

    def whole(self, columns: Sequence[str], vector: np.ndarray[Any, Any], k: int) -> pa.Table:
        """The `k` nearest rows that Lance finds, but those in whose vectors there is a NULL.

        For these indexes do not have, but by cosine; there and in a scan Lance takes what lies beneath for a number.
        """
        more = 0
        while True:
            found = self.read(self.with_vectors(columns), vector, k + more)
            whole = found.filter(self._whole(found))
            if whole.num_rows >= k or found.num_rows < k + more:
                nearest = whole if whole.num_rows <= k else whole.sort_by(DISTANCE).slice(0, k)
                return nearest.select(list(columns))
            more = 2 * (found.num_rows - whole.num_rows)

    def with_vectors(self, columns: Sequence[str]) -> list[str]:
        """The columns, and that of the vectors where there may be a NULL in some that are found."""
        column = self.request.column
        kind = self.dataset.schema.field(column).type
        may_have = kind.value_field.nullable
        if not pt.is_fixed_size_list(kind):
            may_have = may_have or kind.value_type.value_field.nullable
        rest = self.search.indexes[0].unindexed if self.search.indexes and not self.request.indexed_only else 0
        compared = not self.search.indexes or rest or self.search.metric == "cosine"
        return list(dict.fromkeys([*columns, column] if may_have and compared else columns))

    def _whole(self, found: pa.Table) -> pa.Array:
        """Of each row whether there is no NULL in its vector."""
        if self.request.column not in self.with_vectors([]):
            return pa.repeat(True, found.num_rows)
        return has_no_null(found.column(self.request.column).combine_chunks())

    def first(self, addresses: np.ndarray[Any, Any], count: int) -> np.ndarray[Any, Any]:
        """The first `count` of the addresses at which no vector has a NULL in it."""
        chosen = addresses[:0]
        for start in range(0, len(addresses), max(1, count)):
            if len(chosen) >= count:
                break
            part = addresses[start : start + count]
            chosen = np.concatenate([chosen, part[~np.isin(part, self.not_whole(part))]])
        return chosen[:count]

    def not_whole(self, addresses: np.ndarray[Any, Any]) -> np.ndarray[Any, Any]:
        """Those of the addresses at which the vector has a NULL in it."""
        found = [addresses[:0]]
        columns = self.with_vectors([])
        for start in range(0, len(addresses) if columns else 0, _READ):
            condition = f"{ROW_ADDRESS} IN ({', '.join(map(str, addresses[start : start + _READ]))})"
            rows = self.dataset.scanner(columns=[*columns, ROW_ADDRESS], filter=condition).to_table()
            found.append(rows.filter(pc.invert(self._whole(rows))).column(ROW_ADDRESS).to_numpy())
        return np.concatenate(found)

    def integers(self, queries: np.ndarray[Any, Any]) -> list[Nearest]:
        """The rows nearest to each query, which are compared here."""
        size = max(1, NUMBERS_AT_ONCE // queries.shape[1])
        scanner = self._scanner([self.request.column, ROW_ADDRESS], batch_size=size)
        return nearest_integers(scanner.to_reader(), self.search.metric, queries, self.request.k)

    def rows(self, columns: Sequence[str], nearest: Nearest) -> pa.Table:
        """Columns of rows that are known by their addresses."""
        return rows_at(self.dataset, self.schema, columns, nearest.addresses, {DISTANCE: nearest.distances})

    def _scanner(self, columns: Sequence[str], **options: Any) -> Any:
        """A scan of the rows that meet the conditions."""
        if self.fragments is not None:
            options["fragments"] = list(self.fragments)
        return self.dataset.scanner(
            columns=list(columns),
            filter=self.search.filter,
            prefilter=True,
            use_scalar_index=self.search.asks_indexes,
            **options,
            **scan_options([self.schema.field(name) for name in columns]),
        )


def _with_first(scan: _Scan, found: pa.Table, vector: np.ndarray[Any, Any], last: float) -> pa.Table:
    """`found` where several rows are at the `last` distance, with those of them that lie first."""
    k = scan.request.k
    nearer = found.filter(pc.less(found.column(DISTANCE), pa.scalar(last, pa.float32())))
    beyond = None if math.isinf(last) and last > 0 else float(np.nextafter(np.float32(last), np.float32(math.inf)))
    fragments = scan.fragments
    most = scan.dataset.count_rows() if fragments is None else sum(one.count_rows() for one in fragments)
    tied = scan.read([ROW_ADDRESS, DISTANCE], vector, most, distance_range=(last, beyond))
    addresses = scan.first(np.sort(tied.column(ROW_ADDRESS).to_numpy()), k - nearer.num_rows)
    chosen = scan.rows(found.column_names, Nearest(k, addresses, np.full(len(addresses), last, np.float32)))
    return pa.concat_tables([nearer, chosen.cast(found.schema)])


# ---- indexes


def _indexes(dataset: Any, column: str) -> list[tuple[Any, str]]:
    """The indexes of a column of vectors that know their metric, with that: those with rows first, then by name."""
    found = []
    for described in dataset.describe_indices():
        if described.field_names == [column] and described.type_url.endswith("VectorIndexDetails"):
            metric = str((described.details or {}).get("metric_type", "")).lower()
            if metric in METRICS:
                found.append((described, metric))
    return sorted(found, key=lambda index: (not index[0].num_rows_indexed, index[0].name))
