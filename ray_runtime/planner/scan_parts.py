"""Into how many parts a table is cut, each for one task."""

from __future__ import annotations

import math

from engine.logical.columns import is_volatile
from engine.logical.expressions import node_expressions
from engine.operators import FilterExec, ProjectExec, RenameExec, TableScanExec
from engine.physical import PhysicalOperator
from ray_runtime.planner.options import DistributedOptions

__all__ = ["is_one_part", "parts_of", "scan_below"]

_WORTH_SPREADING = 100_000  # rows
_SPLITS_FOR_A_SLOT = 4


def parts_of(scan: TableScanExec, options: DistributedOptions) -> int:
    """Into how many parts the table of `scan` is cut."""
    table = scan.table
    parts = 1 if table.bytes is None else math.ceil(table.bytes / options.split_bytes)
    if table.rows is not None and options.split_rows is not None:
        parts = max(parts, min(math.ceil(table.rows / options.split_rows), _SPLITS_FOR_A_SLOT * options.slots))
    if (table.rows or 0) >= _WORTH_SPREADING:
        parts = max(parts, options.slots)
    return max(1, parts)


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
