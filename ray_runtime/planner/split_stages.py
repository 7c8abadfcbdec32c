"""The plan falls apart into stages at its Exchanges."""

from __future__ import annotations

from typing import Any

from engine.logical.columns import is_volatile
from engine.logical.expressions import node_expressions
from engine.operators import LimitExec
from engine.physical import Broadcast, PartitioningSpec, PhysicalOperator, RoundRobin, Single, walk
from engine.storage.protocol import Split, Storage
from ray_runtime.fragment import fragment_scans
from ray_runtime.operators import ExchangeExec, ExchangeSourceExec, PartitionIdExec
from ray_runtime.planner.column_types import ColumnTypes
from ray_runtime.planner.options import DistributedOptions
from ray_runtime.planner.scan_parts import is_one_part, parts_of
from ray_runtime.stages import ExchangeInput, Stage, StageGraph

__all__ = ["split_stages"]


def split_stages(
    root: PhysicalOperator, types: ColumnTypes, storage: Storage, options: DistributedOptions, *, whole: bool = False
) -> StageGraph:
    """One stage for each Exchange, and the last one for the root. With `whole`, one task reads all tables."""
    splitter = _Splitter(types, storage, options, whole)
    splitter.stage(root, Single())
    return StageGraph(tuple(splitter.stages))


class _Splitter:
    def __init__(self, types: ColumnTypes, storage: Storage, options: DistributedOptions, whole: bool) -> None:
        self._types, self._storage, self._options, self._whole = types, storage, options, whole
        self._ids: dict[int, tuple[PhysicalOperator, int]] = {}
        self.stages: list[Stage] = []

    def stage(
        self,
        root: PhysicalOperator,
        output: PartitioningSpec,
        bounds: PhysicalOperator | None = None,
        *,
        steady: bool = True,
    ) -> int:
        """Cut below `root` and add its stage; returns the stage's number."""
        inputs: list[ExchangeInput] = []
        fragment = self._cut(root, inputs)
        enough = fragment.count if isinstance(fragment, LimitExec) and isinstance(output, Single) else None
        if not isinstance(output, Single | Broadcast):
            fragment = PartitionIdExec(fragment, output, None if bounds is None else self._cut(bounds, inputs))
        number = len(self.stages)
        self.stages.append(
            Stage(
                id=number,
                root=fragment,
                inputs=tuple(dict.fromkeys(inputs)),
                output=output,
                splits=() if self._whole else self._tasks(fragment),
                deterministic=steady
                and not isinstance(output, RoundRobin)
                and not any(_unsteady(n) for n in walk(fragment)),
                enough_rows=enough,
            )
        )
        return number

    def _cut(self, node: PhysicalOperator, inputs: list[ExchangeInput]) -> PhysicalOperator:
        if isinstance(node, ExchangeExec):
            found = self._ids.get(id(node))
            if found is None:
                found = (node, self.stage(node.input, node.partitioning, node.bounds, steady=node.steady))
                self._ids[id(node)] = found
            inputs.append(ExchangeInput(found[1], node.mode))
            return ExchangeSourceExec(found[1], node.mode, self._types.of(node.input))
        return node.with_children(tuple(self._cut(child, inputs) for child in node.children))

    def _tasks(self, fragment: PhysicalOperator) -> tuple[Any, ...]:
        """For each task the splits of each scan.

        Small tables are read by one task, in which they may meet. Else tables in one fragment stand beside each other,
        as in UNION ALL.
        """
        scans = fragment_scans(fragment)
        if scans and all(is_one_part(scan, self._options) for scan in scans):
            return (tuple(tuple(self._storage.splits(scan.table, 1)) for scan in scans),)
        tasks: list[tuple[tuple[Split, ...], ...]] = []
        for i, scan in enumerate(scans):
            tasks.extend(
                tuple((split,) if j == i else () for j in range(len(scans)))
                for split in self._storage.splits(scan.table, parts_of(scan, self._options))
            )
        return tuple(tasks)


def _unsteady(node: PhysicalOperator) -> bool:
    """Whether an operator may give other rows when it runs again on the same input."""
    if isinstance(node, LimitExec):
        return True
    return any(is_volatile(e) for e in node_expressions(node))
