"""Searches of Lance datasets: by which index, and the rows that are found.

Where Lance has habits of its own, nothing is left to them: the metric and whether the index is used are always said,
conditions hold before the search, and of rows at the same distance those that lie first are taken, whichever part of
the table a scan reads.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
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
    Conditions,
    IndexUse,
    Search,
    SearchRequest,
    TextRequest,
    VectorRequest,
)

__all__ = ["find", "resolve_search", "restricted", "search_field", "search_parts"]

_FLOAT_METRICS = ("l2", "cosine", "dot")


def search_field(search: Search) -> pa.Field:
    """The column that a search gives besides the table's."""
    return pa.field(search.column, pa.float32())


def resolve_search(name: TableName, dataset: Any, fragment_rows: dict[int, int], request: SearchRequest) -> Search:
    """How `request` is answered.

    `fragment_rows` are the live rows of the fragments by their ids. Raises UnknownColumnError, TypeMismatchError for a
    column that holds no vectors or a metric that does not fit them, InvalidValueError for another number of dimensions
    or a value that the vectors cannot have.
    """
    own = Search(request).column
    if own in dataset.schema.names:
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
    size = max(1, math.ceil(sum(fragment_rows) / max(1, target))) if search.is_exact else math.inf
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
    blobs = scan_options([schema.field(column) for column in columns])
    options: dict[str, Any] = {"prefilter": True, "filter": search.filter, "use_scalar_index": search.asks_indexes}
    options |= blobs
    if fragments is not None:
        options["fragments"] = list(fragments)
    asked = {
        "column": request.column,
        "q": vector,
        "metric": search.metric,
        "use_index": not search.is_exact,
        **dict(request.effort),
    }

    def scan(wanted: list[str], **more: Any) -> pa.Table:
        return dataset.scanner(columns=wanted, nearest={**asked, **more}, **options).to_table()

    if not search.is_exact:
        options["fast_search"] = request.indexed_only
        return scan(names, k=request.k).select(list(columns))
    found = scan(names, k=request.k + 1)
    distances = found.column(DISTANCE).to_numpy()
    order = np.argsort(distances, kind="stable")
    if len(order) <= request.k or distances[order[request.k - 1]] < distances[order[request.k]]:
        return found.select(list(columns))
    return _with_first(dataset, found, float(distances[order[request.k - 1]]), request.k, scan, options).select(
        list(columns)
    )


def _with_first(dataset: Any, found: pa.Table, last: float, k: int, scan: Any, options: dict[str, Any]) -> pa.Table:
    """`found` where several rows are at the `last` distance, with those of them that lie first."""
    nearer = found.filter(pc.less(found.column(DISTANCE), pa.scalar(last, pa.float32())))
    beyond = float(np.nextafter(np.float32(last), np.float32(math.inf)))
    fragments = options.get("fragments")
    most = sum(fragment.count_rows() for fragment in fragments) if fragments is not None else dataset.count_rows()
    tied = scan([ROW_ADDRESS, DISTANCE], k=most, distance_range=(last, beyond))
    addresses = np.sort(tied.column(ROW_ADDRESS).to_numpy())[: k - nearer.num_rows]
    columns = [name for name in found.column_names if name != DISTANCE]
    condition = f"{ROW_ADDRESS} IN ({', '.join(map(str, addresses))})"
    blobs = options.get("blob_handling")
    chosen = dataset.scanner(columns=columns, filter=condition, fragments=fragments, blob_handling=blobs).to_table()
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
