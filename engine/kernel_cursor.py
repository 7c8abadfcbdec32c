"""A connection to a kernel instance, and the statements that it knows from before."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable, Iterable

import duckdb
import pyarrow as pa

__all__ = ["KernelCursor"]

_KNOWN = 32_000  # characters of statements, each of which takes some 25 bytes that no limit of the kernel counts
_BATCH_BYTES = 32 << 20  # that the kernel may gather for an Arrow batch, outside of its memory limit
_BATCH_ROWS = 32_768
_BATCH_ROWS_OF_ANY_SIZE = 16_384
_BYTES_OF_ANY_SIZE = 64  # what a text or a list is taken for
_OF_ANY_SIZE = frozenset(
    {"varchar", "blob", "bit", "list", "map", "struct", "array", "union", "bignum", "variant", "geometry"}
)


class KernelCursor:
    """A connection for one statement at a time, one after the other.

    To begin a statement the kernel parses and binds it twice: for its columns, and to run it. Of one that ran on this
    connection before, the first is known.
    """

    def __init__(self, connection: duckdb.DuckDBPyConnection) -> None:
        self.connection = connection
        self._known: OrderedDict[str, tuple[duckdb.DuckDBPyRelation, int]] = OrderedDict()
        self._characters = 0

    def stream(
        self,
        sql: str,
        leaving: Callable[[duckdb.DuckDBPyRelation], duckdb.DuckDBPyRelation] | None = None,
        batch_rows: int | None = None,
    ) -> pa.RecordBatchReader:
        """Run a SELECT and stream its rows, in batches of `batch_rows` or of as many as its columns let expect.

        `leaving` puts something around it that its columns ask for. Raises the kernel's errors.
        """
        relation, rows = self._begin(sql) if leaving is None else _with_batch_rows(leaving(self._relation(sql)))
        return relation.to_arrow_reader(batch_rows or rows)

    def _begin(self, sql: str) -> tuple[duckdb.DuckDBPyRelation, int]:
        """The statement, and the rows of its batches."""
        known = self._known.get(sql)
        if known is not None:
            self._known.move_to_end(sql)
            return known
        made = self._known[sql] = _with_batch_rows(self._relation(sql))
        self._characters += len(sql)
        while self._characters > _KNOWN:
            self._characters -= len(self._known.popitem(last=False)[0])
        return made

    def _relation(self, sql: str) -> duckdb.DuckDBPyRelation:
        return self.connection.sql(sql, alias="statement")  # or it is given a random name


def _with_batch_rows(relation: duckdb.DuckDBPyRelation) -> tuple[duckdb.DuckDBPyRelation, int]:
    return relation, _batch_rows([kind.id for kind in relation.types])


def _batch_rows(kinds: Iterable[str]) -> int:
    """The rows of an Arrow batch of columns of these types."""
    width, most = 0, _BATCH_ROWS
    for kind in kinds:
        if kind in _OF_ANY_SIZE:
            most = _BATCH_ROWS_OF_ANY_SIZE
        width += _BYTES_OF_ANY_SIZE if kind in _OF_ANY_SIZE else 16
    return max(1, min(most, _BATCH_BYTES // max(1, width)))
