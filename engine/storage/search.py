"""What a search of a table asks for, and how a storage answers it."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from sqlglot import exp

from engine.hidden_columns import QUERY, ROW_ADDRESS
from engine.schema import RowType

__all__ = [
    "DISTANCE",
    "MAX_K",
    "METRICS",
    "MOST_QUERIES",
    "QUERY",
    "RELEVANCE",
    "ROW_ADDRESS",
    "SCORE",
    "Conditions",
    "IndexUse",
    "Queries",
    "Search",
    "SearchRequest",
    "TextRequest",
    "VectorRequest",
]

DISTANCE = "_distance"
"""The column in which a vector search tells how far a row is; FLOAT."""

SCORE = "_score"
"""The column in which a text search tells how well a row matches; FLOAT."""

MOST_QUERIES = 10_000
"""Different queries that one search is asked for."""

RELEVANCE = "_relevance"
"""The column in which a hybrid search tells how well a row does in both searches; DOUBLE."""

METRICS = ("l2", "cosine", "dot", "hamming")
MAX_K = 10_000
"""Rows that one search may give: its result is sorted, and held, as a whole."""


@dataclass(frozen=True)
class VectorRequest:
    """The `k` rows whose vectors in `column` are nearest to `query`, in ascending order of distance.

    `query` holds float64 numbers, of one vector, or of as many as `vectors` says; None, as for NULL, finds nothing.
    Of a column with several vectors in each row, how far a row is is the sum, over the vectors of the query, of how far
    the nearest of the row's is. Without a `metric` it is the index's, or else l2,
    of bytes hamming. With `indexed_only`, rows that are in no index are left out. `effort`
    has the `nprobes`, `refine_factor` and `ef` with which an index is to try. `place` is that of the parameter that the
    query is bound to, if it is, `narrowed` whether its numbers are taken as FLOATs. With `each`, a number that tells
    one call from another, there are many queries, one in each row of something, and each finds `k` rows.
    """

    column: str
    query: bytes | None
    k: int
    metric: str | None = None
    use_index: bool = True
    indexed_only: bool = False
    effort: tuple[tuple[str, int], ...] = ()
    place: int | None = field(default=None, compare=False)
    narrowed: bool = False
    each: int | None = None
    vectors: int | None = None


@dataclass(frozen=True)
class TextRequest:
    """The `k` rows whose texts in `columns` match `query` best, in descending order of their score by BM25.

    Without `columns` they are all that have an index of texts. `query` is in the language of `text_query`, or with
    `plain` just words; None, as for NULL, finds nothing. With `every`, words side by side must all be there. Of
    what matches `demote` too, `demotion` times that score is taken off. `each` is that of `VectorRequest`.
    """

    columns: tuple[str, ...]
    query: str | None
    k: int
    every: bool = False
    plain: bool = False
    demote: str | None = None
    demotion: float = 0.5
    indexed_only: bool = False
    place: int | None = field(default=None, compare=False)
    each: int | None = None


SearchRequest = VectorRequest | TextRequest


@dataclass(frozen=True)
class Conditions:
    """What rows have to meet, over the table's own column names.

    The `required` ones hold before the search, or it is refused. The `wished` ones stand above it, and hold before it
    where the storage can apply them as SQL does; `others` says that there are more above.
    """

    required: tuple[exp.Expr, ...] = ()
    wished: tuple[exp.Expr, ...] = ()
    others: bool = False


@dataclass(frozen=True)
class Queries:
    """Where many queries come from: a SELECT of lists, or of texts, over `tables`: name, TableHandle, columns."""

    text: str
    tables: tuple[tuple[str, Any, RowType], ...]

    @property
    def expected_count(self) -> int:
        """How many different ones there are likely to be, at most."""
        rows = [MOST_QUERIES if table.rows is None else table.rows for _, table, _ in self.tables]
        return min(MOST_QUERIES, max(rows, default=1))


@dataclass(frozen=True)
class IndexUse:
    """An index that a search asks, and how many rows of the table it does not have.

    Where a column has several, the `segments` of this one have to be named.
    """

    name: str
    kind: str
    unindexed: int
    segments: tuple[str, ...] = ()

    def describe(self, how: str, *, leaves_out: bool) -> str:
        """What EXPLAIN tells of it; `how` it answers."""
        what = "are left out" if leaves_out else "are searched one by one"
        rest = f"; {self.unindexed} rows not in it {what}" if self.unindexed else ""
        return f"{self.name} ({self.kind}, {how}{rest})"


@dataclass(frozen=True)
class Search:
    """A request that fits its table: by which `metric` and `indexes`, and among which rows.

    `filter` is a condition, in the language of the storage, that means what it does in SQL: only rows that meet it are
    searched; `asks_indexes` says whether other indexes may be asked for them, and `held` are the conditions, over the
    table's own column names, that it is made of. `filters_after` says that conditions on what was found may leave fewer
    than `k` rows. `compared` rows, roughly, are as much work as the search for a query.
    """

    request: SearchRequest
    metric: str = ""
    indexes: tuple[IndexUse, ...] = ()
    filter: str | None = None
    asks_indexes: bool = False
    held: tuple[exp.Expr, ...] = ()
    filters_after: bool = False
    queries: Queries | None = None
    compared: int = 0

    @property
    def is_each(self) -> bool:
        """Whether each of many queries finds rows; the column `QUERY` then tells for which one a row was found."""
        return self.request.each is not None

    @property
    def column(self) -> str:
        """What a search gives besides the table's columns, a FLOAT."""
        return DISTANCE if isinstance(self.request, VectorRequest) else SCORE

    @property
    def order(self) -> list[tuple[str, bool]]:
        """The columns in whose order the rows are found, and whether they descend."""
        return [(self.column, self.column == SCORE), (ROW_ADDRESS, False)]

    @property
    def is_exact(self) -> bool:
        """Whether all rows are compared, so that parts of the table can be searched one by one."""
        return not self.indexes and not self.is_each

    def __str__(self) -> str:
        request = self.request
        every = " of each query" if self.is_each else ""
        if isinstance(request, VectorRequest):
            text, how = f"nearest {request.k}{every} by {self.metric} of {request.column}: ", "approximate"
        else:
            text, how = f"best {request.k}{every} by BM25 of {', '.join(request.columns)}: ", "exact"
        told = [index.describe(how, leaves_out=request.indexed_only) for index in self.indexes]
        text += f"index {', '.join(told)}" if told else "every row, exact"
        if self.filter is not None:
            text += f"; prefilter {self.filter}"
        if self.filters_after:
            text += "; filtered afterwards, which may leave fewer"
        return text
