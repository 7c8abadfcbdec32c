"""LocalPhysicalPlanner: the physical plan for one process."""

from __future__ import annotations

from dataclasses import replace

from engine.explain import render
from engine.kernel import Kernel
from engine.logical.nodes import LogicalPlan
from engine.lowering import lower
from engine.operators import TableScanExec
from engine.optimizer import optimize
from engine.physical import ExecutionMode, PhysicalOperator, PhysicalPlan, PlanProperties, Single, walk
from engine.schema import Column
from engine.schema_inference import plan_columns

__all__ = ["LocalPhysicalPlanner"]


class LocalPhysicalPlanner:
    """Plans logical plans for `LocalExecutor`. Needs the kernel for types; runs nothing."""

    def __init__(self, kernel: Kernel) -> None:
        self._kernel = kernel

    def plan(self, query: LogicalPlan) -> PhysicalPlan:
        """The operators, and the columns that they give. Raises PlanningError where the plan does not type."""
        columns = plan_columns(query, self._kernel)
        root = self._with_direct_schema(lower(optimize(query)), columns)
        blocking = any(operator.capabilities.blocking for operator in walk(root))
        properties = PlanProperties(ExecutionMode.LOCAL, Single(), blocking)
        return PhysicalPlan(root, columns, self._kernel.arrow_schema(columns), properties)

    def explain(self, plan: PhysicalPlan) -> str:
        """The operator tree, one line each."""
        return render(plan.root)

    def _with_direct_schema(self, root: PhysicalOperator, columns: tuple[Column, ...]) -> PhysicalOperator:
        """A bare scan learns the types of the result, so that its rows may go out as they lie."""
        if isinstance(root, TableScanExec):
            return replace(root, direct_schema=self._kernel.arrow_schema(columns))
        return root
