"""How many groups the rows of a task fall into, by a sample of the table that they come from.

A partial phase is worth its while where a task has clearly fewer groups than rows. The kernel counts the groups in the
first rows of the table; how many more there are is told by the groups that came just once or twice among them (Chao's
estimator). The sample has a fixed size and is remembered with the table's version, so planning stays fast.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace

from sqlglot import exp, parse_one

from engine.cache import LruCache
from engine.cancellation import current_cancellation, require_answer
from engine.errors import GrismError
from engine.execution import run
from engine.kernel import Kernel
from engine.logical.columns import is_volatile
from engine.logical.nodes import NamedExpr, col
from engine.operators import FilterExec, HashAggregateExec, TableScanExec
from engine.physical import PhysicalOperator
from engine.storage.protocol import Storage
from ray_runtime.context import DistributedExecutionContext
from ray_runtime.planner.options import DistributedOptions
from ray_runtime.planner.scan_parts import parts_of, scan_below

__all__ = ["GroupSampler"]

_SHRUNK = 0.7  # groups to rows; above, two phases cost more than they save
_WORTH_SAMPLING = 4  # a table of fewer samples is soon read
_TELLING = 0.1  # of the sample must have passed the filters
_REMEMBERED = 1024
_VALUE = "v"


@dataclass(frozen=True)
class _Sample:
    """Rows that passed the filters, the groups among them, and how many groups had one row and two."""

    rows: int = 0
    groups: int = 0
    once: int = 0
    twice: int = 0

    def groups_among(self, rows: float) -> float:
        """How many groups to expect among `rows`."""
        all_groups = self.groups + self.once * (self.once - 1) / (2 * (self.twice + 1))
        return -all_groups * math.expm1(-rows / all_groups)


_NOTHING = _Sample()


class GroupSampler:
    """Samples tables through the kernel. Thread-safe."""

    def __init__(self, kernel: Kernel, storage: Storage, options: DistributedOptions) -> None:
        self._context = DistributedExecutionContext(storage, kernel)
        self._options = options
        self._known: LruCache[PhysicalOperator, _Sample] = LruCache(_REMEMBERED)

    def shrinks(self, source: PhysicalOperator, keys: Sequence[exp.Expr]) -> bool:
        """Whether one task's share of `source` has clearly fewer groups by `keys` than rows.

        Where that cannot be told, it has: `source` is more than a filtered table, the table is small or has no
        statistics, few of its first rows pass the filters, or an expression fails on them.
        """
        found = self._take_sample(source, keys)
        if found is None:
            return True
        sample, scan = found
        read = (scan.table.rows or 0) / parts_of(scan, self._options)
        rows = read * sample.rows / self._options.sample_rows
        return sample.groups_among(rows) <= _SHRUNK * rows

    def groups(self, source: PhysicalOperator, keys: Sequence[exp.Expr]) -> float | None:
        """How many groups by `keys` to expect in all of `source`; None where that cannot be told."""
        found = self._take_sample(source, keys)
        if found is None:
            return None
        sample, scan = found
        return sample.groups_among((scan.table.rows or 0) * sample.rows / self._options.sample_rows)

    def distinct(self, scan: TableScanExec, column: str) -> float | None:
        """How many values to expect in a column of the table that `scan` reads; None where that cannot be told."""
        size, rows = self._options.sample_rows, scan.table.rows
        kept = next((c for c in scan.columns if c.name == column), None)
        if rows is None or not size or kept is None:
            return None
        first = TableScanExec(scan.table, (kept,), (_VALUE,), None, size)
        sample = self._sample(_counting_plan(first, [col(_VALUE)]))
        if not sample.groups:
            return None
        return float(sample.groups) if rows <= size else min(float(rows), sample.groups_among(rows))

    def _take_sample(self, source: PhysicalOperator, keys: Sequence[exp.Expr]) -> tuple[_Sample, TableScanExec] | None:
        """A sample of `source` and the scan that it is of."""
        size = self._options.sample_rows
        scan = scan_below(source)
        if scan is None or scan.table.rows is None or not size or scan.table.rows < _WORTH_SAMPLING * size:
            return None
        if any(is_volatile(key) for key in keys):
            return None
        sample = self._sample(_counting_plan(_first_rows(source, size), keys))
        return None if sample.rows < _TELLING * size else (sample, scan)

    def _sample(self, counting: PhysicalOperator) -> _Sample:
        found = self._known.get(counting)
        if found is None:
            try:
                context = replace(self._context, cancellation=current_cancellation())
                (row,) = run(counting, context).reader.read_all().to_pylist()
                found = _Sample(**{name: int(value or 0) for name, value in row.items()})
            except GrismError as error:  # whoever runs the query is told
                require_answer(error)
                found = _NOTHING
            self._known.put(counting, found)
        return found


def _first_rows(source: PhysicalOperator, count: int) -> PhysicalOperator:
    """`source` over the first rows of its table: a filter may drop all of them, but does not search for others."""
    if isinstance(source, TableScanExec):
        first = replace(source, filter=None, limit=count)
        return first if source.filter is None else FilterExec(first, source.filter)
    return source.with_children(tuple(_first_rows(child, count) for child in source.children))


_COUNT = NamedExpr("n", parse_one("count(*)", dialect="duckdb"))
_NUMBERS = tuple(
    NamedExpr(name, parse_one(text, dialect="duckdb"))
    for name, text in {
        "rows": "sum(n)",
        "groups": "count(*)",
        "once": "count(*) FILTER (WHERE n = 1)",
        "twice": "count(*) FILTER (WHERE n = 2)",
    }.items()
)


def _counting_plan(source: PhysicalOperator, keys: Sequence[exp.Expr]) -> PhysicalOperator:
    """One row with the numbers of a `_Sample`."""
    named = tuple(NamedExpr(f"k{i}", key) for i, key in enumerate(keys))
    return HashAggregateExec(HashAggregateExec(source, named, (_COUNT,)), (), _NUMBERS)
