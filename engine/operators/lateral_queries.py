"""The queries of a search that has many: computed when it is read, each different one once.

What gives them is a statement of its own over the tables beside the search, and is read whole by whoever reads the
search. The rows that are found for a query are joined with the rows that asked for it by the statement around.
"""

from __future__ import annotations

import zlib
from dataclasses import replace

import pyarrow as pa

from engine.errors import ResourceExhaustedError
from engine.operators.sql_query import SqlExec
from engine.physical import ExecutionContext, PhysicalOperator
from engine.storage.protocol import ArrowSource, ScanRequest, TableHandle
from engine.storage.search import MOST_QUERIES, QUERY, Queries

__all__ = ["query_statement", "search_each"]

_AT_ONCE = 256
_MOST_ROWS = 1_000_000


def query_statement(queries: Queries, inputs: tuple[tuple[str, PhysicalOperator], ...]) -> SqlExec:
    """The operator that gives the queries, over the scans of their tables."""
    return SqlExec(queries.text, (QUERY,), inputs)


def search_each(
    table: TableHandle, request: ScanRequest, statement: SqlExec, share: tuple[int, int], ctx: ExecutionContext
) -> ArrowSource:
    """What a search finds for each query that the `statement` gives, of those that are in a share: which, of how many.

    Raises ResourceExhaustedError for too many queries, or rows.
    """
    assert table.search is not None
    queries = _queries(table, statement, ctx)
    rows = len(queries) * table.search.request.k
    if rows > _MOST_ROWS:
        raise ResourceExhaustedError(
            f'{len(queries)} different queries are searched for in table "{table.name}", each for up to '
            f"{table.search.request.k} rows: more than {_MOST_ROWS} together; search for fewer in each statement."
        )
    queries = _of_share(queries, *share)
    found = []
    for start in range(0, max(1, len(queries)), _AT_ONCE):
        ctx.cancellation.check()
        source = ctx.open(table, replace(request, queries=queries.slice(start, _AT_ONCE)))
        assert isinstance(source, ArrowSource)
        assert isinstance(source.data, pa.Table)
        found.append(source.data)
    return ArrowSource(pa.concat_tables(found))


def _of_share(queries: pa.Array, number: int, count: int) -> pa.Array:
    """The queries that are in a share. It is told by their values: who reads them again may get another order."""
    if count == 1:
        return queries
    return queries.filter(pa.array([zlib.crc32(_bytes(query)) % count == number for query in queries], pa.bool_()))


def _bytes(query: pa.Scalar) -> bytes:
    if isinstance(query, pa.StringScalar):
        return bytes(query.as_buffer())
    # Zeros may have either sign, for the kernel takes one of equal queries.
    return bytes((query.values.to_numpy(zero_copy_only=False) + 0.0).tobytes())


def _queries(table: TableHandle, statement: SqlExec, ctx: ExecutionContext) -> pa.Array:
    """The queries that are there, lists of float64, or texts."""
    batches, rows = [], 0
    with ctx.run(statement) as reader:
        for batch in reader:
            found = batch.column(0).drop_null()
            rows += len(found)
            if rows > MOST_QUERIES:
                raise ResourceExhaustedError(
                    f'More than {MOST_QUERIES} different queries are searched for in table "{table.name}" at once; '
                    "search for fewer in each statement."
                )
            batches.append(found)
        kind = reader.schema.field(0).type
    return pa.concat_arrays(batches) if batches else pa.array([], kind)
