"""What a search of a table asks for, and how a storage answers it."""

from __future__ import annotations

from dataclasses import dataclass

from sqlglot import exp

__all__ = ["DISTANCE", "MAX_K", "METRICS", "Conditions", "IndexUse", "Search", "VectorRequest"]

DISTANCE = "_distance"
"""The column in which a vector search tells how far a row is; FLOAT."""

METRICS = ("l2", "cosine", "dot", "hamming")
MAX_K = 10_000
"""Rows that one search may give: its result is sorted, and held, as a whole."""


@dataclass(frozen=True)
class VectorRequest:
    """The `k` rows whose vectors in `column` are nearest to `query`, in ascending order of distance.

    `query` holds float64 numbers; None, as for NULL, finds nothing. Without a `metric` it is the index's, or else l2,
    of bytes hamming. `effort` has the `nprobes`, `refine_factor` and `ef` with which an index is to try.
    """

    column: str
    query: bytes | None
    k: int
    metric: str | None = None
    use_index: bool = True
    effort: tuple[tuple[str, int], ...] = ()


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
class IndexUse:
    """The index that answers a search, and how many rows of the table it does not have."""

    name: str
    kind: str
    is_exact: bool
    unindexed: int

    def __str__(self) -> str:
        found = "exact" if self.is_exact else "approximate"
        rest = f", {self.unindexed} rows not in it are searched one by one" if self.unindexed else ""
        return f"{self.name} ({self.kind}, {found}{rest})"


@dataclass(frozen=True)
class Search:
    """A request that fits its table: by which `metric` and `index`, and among which rows.

    `filter` is a condition, in the language of the storage, that means what it does in SQL: only rows that meet it are
    searched. `filters_after` says that conditions on what was found may leave fewer than `k` rows.
    """

    request: VectorRequest
    metric: str
    index: IndexUse | None = None
    filter: str | None = None
    filters_after: bool = False

    @property
    def columns(self) -> tuple[str, ...]:
        """What a search gives besides the table's columns."""
        return (DISTANCE,)

    @property
    def is_exact(self) -> bool:
        """Whether all rows are compared, so that parts of the table can be searched one by one."""
        return self.index is None

    def __str__(self) -> str:
        how = "every row, exact" if self.index is None else f"index {self.index}"
        text = f"nearest {self.request.k} by {self.metric} of {self.request.column}: {how}"
        if self.filter is not None:
            text += f"; prefilter {self.filter}"
        if self.filters_after:
            text += "; filtered afterwards, which may leave fewer"
        return text
