"""Scans that look up single values in an index: one task asks it, where each of many would ask the whole index."""

from __future__ import annotations

from dataclasses import replace

from engine.operators import TableScanExec
from engine.physical import PhysicalOperator
from engine.storage.protocol import Storage
from ray_runtime.planner.tree import rewrite_up

__all__ = ["mark_lookups"]


def mark_lookups(plan: PhysicalOperator, storage: Storage) -> PhysicalOperator:
    """The plan in which such scans are marked."""

    def mark(node: PhysicalOperator, parent: PhysicalOperator | None) -> PhysicalOperator:
        del parent
        if not isinstance(node, TableScanExec) or node.filter is None:
            return node
        return replace(node, is_lookup=storage.indexes(node.table).finds_few(node.request.filter))

    return rewrite_up(plan, mark)
