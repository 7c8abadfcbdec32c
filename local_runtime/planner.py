"""LocalPhysicalPlanner: the physical plan for one process."""

from __future__ import annotations

from dataclasses import replace

from engine.cache import LruCache
from engine.explain import render
from engine.kernel import Kernel
from engine.kernel_errors import too_deep
from engine.logical.nodes import LogicalPlan
from engine.logical.subplans import text_size
from engine.lowering import lower
from engine.operators import TableScanExec
from engine.optimizer import optimize
from engine.physical import ExecutionMode, PhysicalPlan, PlanProperties, Single, walk
from engine.schema_inference import plan_columns

__all__ = ["LocalPhysicalPlanner"]

_CACHED_PLANS = 256
_MAX_REMEMBERED = 64_000  # characters of constants, as bound parameters are


class LocalPhysicalPlanner:
    """Plans logical plans for `LocalExecutor`. Needs the kernel for types; runs nothing."""

    def __init__(self, kernel: Kernel) -> None:
        self._kernel = kernel
        # By identity: the front end gives the same object for a text whose tables have not changed.
        self._known: LruCache[int, tuple[LogicalPlan, PhysicalPlan]] = LruCache(_CACHED_PLANS)

    def plan(self, query: LogicalPlan) -> PhysicalPlan:
        """The operators, and the columns that they give. Raises the planning errors where the plan does not type."""
        known = self._known.get(id(query))
        if known is not None and known[0] is query:
            return known[1]
        try:
            columns = plan_columns(query, self._kernel)
            root = lower(optimize(query))
        except RecursionError:
            raise too_deep() from None
        schema = self._kernel.arrow_schema(columns)
        if isinstance(root, TableScanExec):
            # Its rows may go out as they lie, where they lie in just the result's types.
            root = replace(root, direct_schema=schema)
        blocking = any(operator.capabilities.blocking for operator in walk(root))
        properties = PlanProperties(ExecutionMode.LOCAL, Single(), blocking)
        plan = PhysicalPlan(root, columns, schema, properties)
        if text_size(query) <= _MAX_REMEMBERED:
            self._known.put(id(query), (query, plan))
        return plan

    def explain(self, plan: PhysicalPlan) -> str:
        """The operator tree, one line each."""
        return render(plan.root)
