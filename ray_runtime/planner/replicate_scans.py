"""A small table that would be sent to every task is read by every task.

::

    join on k = l                       join on k = l
      scan of much                        scan of much
      broadcast                           replica
        scan of little                      scan of little

That spares the stage before, which would cost more than to read so little again. Only what the scan reads counts, not
what its filters leave; and nothing that is more than a scan with filters and projections is done twice.
"""

from __future__ import annotations

from engine.operators import TableScanExec
from engine.physical import PhysicalOperator
from ray_runtime.operators import ExchangeExec, ReplicaExec
from ray_runtime.planner.options import DistributedOptions
from ray_runtime.planner.scan_parts import is_one_part, scan_below, size_of
from ray_runtime.planner.tree import rewrite_up
from ray_runtime.stages import ExchangeMode

__all__ = ["replicate_scans"]


def replicate_scans(root: PhysicalOperator, options: DistributedOptions) -> PhysicalOperator:
    """The same plan without broadcasts of what each task may read as soon."""

    def rule(node: PhysicalOperator, parent: PhysicalOperator | None) -> PhysicalOperator:
        del parent
        if not isinstance(node, ExchangeExec) or node.mode is not ExchangeMode.BROADCAST:
            return node
        scan = scan_below(node.input)
        return ReplicaExec(node.input) if scan is not None and _is_soon_read(scan, options) else node

    return rewrite_up(root, rule)


def _is_soon_read(scan: TableScanExec, options: DistributedOptions) -> bool:
    return is_one_part(scan, options) and size_of(scan) <= options.replicated_bytes
