"""Searches of Lance datasets: by which index, and the rows that are found.

Where Lance has habits of its own, nothing is left to them: the metric and whether the index is used are always said,
conditions hold before the search, and of rows at the same distance those that lie first are taken, whichever part of
the table a scan reads.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import pairwise
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.types as pt
from sqlglot import exp

from engine.errors import InvalidValueError, TypeMismatchError, UnsupportedError
from engine.storage.lance_blobs import scan_options
from engine.storage.lance_text_search import find_field, find_texts, index_use, resolve_text_search
from engine.storage.protocol import ROW_ADDRESS, TableName
from engine.storage.pushdown import Pushed
from engine.storage.search import (
    DISTANCE,
    METRICS,
    QUERY,
    Conditions,
    IndexUse,
    Search,
    SearchRequest,
    TextRequest,
    VectorRequest,
)

__all__ = ["find", "find_each", "resolve_search", "restricted", "search_fields", "search_parts"]

_NUMBER = "query_index"
_FLOAT_METRICS = ("l2", "cosine", "dot")


def search_fields(search: Search) -> list[pa.Field]:
    """The columns that a search gives besides the table's."""
    own = [pa.field(search.column, pa.float32())]
    return [*own, pa.field(QUERY, pa.list_(pa.float64()))] if search.is_each else own


def resolve_search(name: TableName, dataset: Any, fragment_rows: dict[int, int], request: SearchRequest) -> Search:
    """How `request` is answered.

    `fragment_rows` are the live rows of the fragments by their ids. Raises UnknownColumnError, TypeMismatchError for a
    column that holds no vectors or a metric that does not fit them, InvalidValueError for another number of dimensions
    or a value that the vectors cannot have.
    """
    taken = [field.name for field in search_fields(Search(request)) if field.name in dataset.schema.names]
    if taken:
        own = taken[0]
        raise UnsupportedError(f'Table "{name}" has a column "{own}" of its own; rename it to search the table.')
    if isinstance(request, TextRequest):
        return resolve_text_search(name, dataset, fragment_rows, request)
    field = find_field(name, dataset.schema, request.column)
    items = _vectors(name, field)
    metrics = ("hamming",) if pt.is_uint8(items) else _FLOAT_METRICS
    if request.metric is not None and request.metric not in metrics:
        raise TypeMismatchError(
            f'The vectors of column "{field.name}" of table "{name}" are of type {field.type}, which are compared by '
            f"{_listed(metrics)}, not by {request.metric}."
        )
    _encoded(field, request.query)
    index = _index(dataset, fragment_rows, field.name, request) if request.use_index else None
    metric = request.metric or (index[1] if index is not None else metrics[0])
    if index is None and request.indexed_only:
        raise UnsupportedError(
            f'Column "{field.name}" of table "{name}" has no index by {metric} with rows in it, and only rows in one '
            "were asked for; make an index, or leave out indexed_only."
        )
    return Search(request, metric, () if index is None else (index[0],))


def restricted(search: Search, conditions: Conditions, push: Callable[[exp.Expr], Pushed]) -> Search:
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
    dataset: Any, search: Search, columns: Sequence[str], fragments: Sequence[Any] | None, schema: pa.Schema
) -> pa.Table:
    """The rows that `search` finds in the dataset, or in some of its fragments, with these columns of `schema`.

    They are those of the lowest distances, and of equal ones those that lie first, in any order. There may be one too
    many.
    """
    request = search.request
    if isinstance(request, TextRequest):
        return find_texts(dataset, search, request, columns, schema)
    names = list(dict.fromkeys([*columns, DISTANCE, ROW_ADDRESS]))
    vector = _encoded(dataset.schema.field(request.column), request.query)
    if vector is None:
        return schema.empty_table().select(list(columns))
    scan = _Scan(dataset, search, fragments, scan_options([schema.field(column) for column in columns]))
    if search.indexes:
        return scan.read(names, vector, request.k).select(list(columns))
    found = scan.read(names, vector, request.k + 1)
    order = np.sort(found.column(DISTANCE).to_numpy())
    if len(order) <= request.k or order[request.k - 1] < order[request.k]:
        return found.select(list(columns))
    return _with_first(scan, found, vector, float(order[request.k - 1])).select(list(columns))


def find_each(dataset: Any, search: Search, columns: Sequence[str], queries: pa.Array, schema: pa.Schema) -> pa.Table:
    """What `search` finds for each of the `queries`, which are different lists of float64, none of them NULL."""
    request = search.request
    assert isinstance(request, VectorRequest)
    if not len(queries):
        return schema.empty_table().select(list(columns))
    field = dataset.schema.field(request.column)
    if _NUMBER in dataset.schema.names:
        raise UnsupportedError(f'The table has a column "{_NUMBER}", which Lance needs for many queries; rename it.')
    encoded = (_encoded(field, _numbers(query.values)) for query in queries)
    vectors = [vector for vector in encoded if vector is not None]
    names = list(dict.fromkeys([*(name for name in columns if name != QUERY), DISTANCE, ROW_ADDRESS]))
    scan = _Scan(dataset, search, None, scan_options([schema.field(column) for column in columns]))
    every = scan.read(names, np.stack(vectors), request.k + (not search.indexes))
    every = every.sort_by([(_NUMBER, "ascending"), (DISTANCE, "ascending"), (ROW_ADDRESS, "ascending")])
    numbers, distances = every.column(_NUMBER).to_numpy(), every.column(DISTANCE).to_numpy()
    bounds = np.searchsorted(numbers, np.arange(len(queries) + 1))
    every, parts, chosen = every.drop_columns([_NUMBER]), [], []
    for number, (start, stop) in enumerate(pairwise(bounds)):
        last = start + request.k - 1
        found = every.slice(start, min(stop - start, request.k))
        if not search.indexes and stop - start > request.k and distances[last] == distances[last + 1]:
            found = _with_first(scan, found, vectors[number], float(distances[last]))
        parts.append(found)
        chosen.append(np.full(found.num_rows, number))
    found = pa.concat_tables(parts)
    return found.append_column(QUERY, queries.take(pa.array(np.concatenate(chosen)))).select(list(columns))


def _numbers(query: pa.Array) -> bytes:
    """The numbers of a query. Raises InvalidValueError for NULL among them."""
    if query.null_count:
        raise InvalidValueError("There is a NULL among the numbers of a query.")
    return bytes(query.to_numpy().tobytes())


@dataclass(frozen=True)
class _Scan:
    """A search of vectors in a dataset, or in some of its fragments; `blobs` says how blobs are read."""

    dataset: Any
    search: Search
    fragments: Sequence[Any] | None
    blobs: Mapping[str, Any]

    def read(self, columns: Sequence[str], vectors: np.ndarray[Any, Any], k: int, **more: Any) -> pa.Table:
        """The rows that are nearest to a vector; for several, the number of each, from 0, is in `_NUMBER`."""
        request = self.search.request
        assert isinstance(request, VectorRequest)
        asked = {
            "column": request.column,
            "q": vectors,
            "k": k,
            "metric": self.search.metric,
            "use_index": bool(self.search.indexes),
            **dict(request.effort),
            **more,
        }
        options = {} if self.fragments is None else {"fragments": list(self.fragments)}
        return self.dataset.scanner(
            columns=list(columns),
            nearest=asked,
            filter=self.search.filter,
            prefilter=True,
            use_scalar_index=self.search.asks_indexes,
            fast_search=request.indexed_only,
            **options,
            **self.blobs,
        ).to_table()


def _with_first(scan: _Scan, found: pa.Table, vector: np.ndarray[Any, Any], last: float) -> pa.Table:
    """`found` where several rows are at the `last` distance, with those of them that lie first."""
    k = scan.search.request.k
    nearer = found.filter(pc.less(found.column(DISTANCE), pa.scalar(last, pa.float32())))
    beyond = float(np.nextafter(np.float32(last), np.float32(math.inf)))
    fragments = scan.fragments
    most = scan.dataset.count_rows() if fragments is None else sum(one.count_rows() for one in fragments)
    tied = scan.read([ROW_ADDRESS, DISTANCE], vector, most, distance_range=(last, beyond))
    addresses = np.sort(tied.column(ROW_ADDRESS).to_numpy())[: k - nearer.num_rows]
    columns = [name for name in found.column_names if name != DISTANCE]
    condition = f"{ROW_ADDRESS} IN ({', '.join(map(str, addresses))})"
    chosen = scan.dataset.scanner(columns=columns, filter=condition, fragments=fragments, **scan.blobs).to_table()
    at = found.schema.get_field_index(DISTANCE)
    same = pa.array(np.full(chosen.num_rows, last, np.float32))
    return pa.concat_tables([nearer, chosen.add_column(at, found.schema.field(DISTANCE), same).cast(found.schema)])


# ---- what is searched


def _vectors(name: TableName, field: pa.Field) -> pa.DataType:
    """The type of the numbers in the vectors of a column."""
    kind = field.type
    items = kind.value_type if pt.is_fixed_size_list(kind) else None
    if items is not None and (pt.is_floating(items) or pt.is_uint8(items)):
        return items
    if items is not None and pt.is_integer(items):
        raise UnsupportedError(
            f'Column "{field.name}" of table "{name}" has vectors of {items}, which Lance does not search; '
            f"ORDER BY array_distance({field.name}::FLOAT[{kind.list_size}], ...) LIMIT k finds the nearest."
        )
    raise TypeMismatchError(
        f'Column "{field.name}" of table "{name}" has type {kind} and no vectors of a fixed size; '
        "a vector search takes columns such as FLOAT[128]."
    )


def _encoded(field: pa.Field, query: bytes | None) -> np.ndarray[Any, Any] | None:
    """The query's vector in the type of the column's; None for NULL."""
    if query is None:
        return None
    numbers = np.frombuffer(query, np.float64)
    items = field.type.value_type
    if len(numbers) != field.type.list_size:
        raise InvalidValueError(
            f'The query has {len(numbers)} dimensions, the vectors of column "{field.name}" have '
            f"{field.type.list_size}."
        )
    with np.errstate(over="ignore", invalid="ignore"):
        vector = numbers.astype(items.to_pandas_dtype())
    if not np.isfinite(numbers).all() or not np.isfinite(vector).all():
        raise InvalidValueError(
            f'The query has a number that is NaN, infinite or too large for the {items} of column "{field.name}".'
        )
    if pt.is_uint8(items) and not np.array_equal(vector, numbers):
        raise InvalidValueError(
            f'The query has a number that is no whole one from 0 to 255, as the bytes of column "{field.name}" are.'
        )
    return vector


def _listed(words: Sequence[str]) -> str:
    return words[0] if len(words) == 1 else f"{', '.join(words[:-1])} or {words[-1]}"


# ---- indexes


def _index(
    dataset: Any, fragment_rows: dict[int, int], column: str, request: VectorRequest
) -> tuple[IndexUse, str] | None:
    """The index that Lance uses for the request, and its metric: one that holds rows, of the metric asked for."""
    for described in dataset.describe_indices():
        if described.field_names != [column] or not described.type_url.endswith("VectorIndexDetails"):
            continue
        metric = str((described.details or {}).get("metric_type", "")).lower()
        if metric not in METRICS or request.metric not in (None, metric) or not described.num_rows_indexed:
            continue
        return index_use(described, fragment_rows), metric
    return None
