"""Into how many parts a table is cut, each for one task."""

from __future__ import annotations

import math

from engine.logical.columns import is_volatile
from engine.logical.expressions import node_expressions
from engine.operators import FilterExec, ProjectExec, RenameExec, TableScanExec
from engine.physical import PhysicalOperator
from ray_runtime.planner.options import DistributedOptions
from ray_runtime.planner.widths import width

__all__ = ["is_one_part", "parts_of", "scan_below", "size_of"]

_ROWS_OF_A_TASK = 250_000  # a task costs about as much as reading so many
_BYTES_OF_A_TASK = 8 << 20  # in the columns that are read


def parts_of(scan: TableScanExec, options: DistributedOptions) -> int:
    """Into how many parts the table of `scan` is cut: one for each slot where that gives them enough to do.

    One where an index finds the rows. A search for many queries is cut by those.
    """
    table = scan.table
    if scan.is_lookup:
        return 1
    if table.search is not None and table.search.queries is not None:
        asked = table.search.queries.expected_count
        parts = 1 if options.split_rows is None else math.ceil(asked / options.split_rows)
        return max(1, min(options.slots, max(parts, asked * table.search.compared // _ROWS_OF_A_TASK)))
    parts = 1 if table.bytes is None else math.ceil(table.bytes / options.split_bytes)
    if table.rows is not None and options.split_rows is not None:
        parts = max(parts, min(math.ceil(table.rows / options.split_rows), options.slot_splits * options.slots))
    enough = max((table.rows or 0) // _ROWS_OF_A_TASK, size_of(scan) // _BYTES_OF_A_TASK)
    return max(1, parts, min(options.slots, enough))


def size_of(scan: TableScanExec) -> int:
    """The bytes, roughly, of the columns that `scan` reads, in all rows; 0 where it is not known how many there are."""
    return (scan.table.rows or 0) * int(sum(width(column.type) for column in scan.columns))


def is_one_part(scan: TableScanExec, options: DistributedOptions) -> bool:
    """Whether the table is known to be so small that one task reads all of it."""
    return scan.table.rows is not None and parts_of(scan, options) == 1


def scan_below(source: PhysicalOperator) -> TableScanExec | None:
    """The scan of which each row becomes one row of `source`, or none; None where it is not as simple as that."""
    if any(is_volatile(e) for e in node_expressions(source)):
        return None
    match source:
        case TableScanExec(limit=None):
            return source
        case FilterExec() | ProjectExec() | RenameExec():
            return scan_below(source.input)
    return None
