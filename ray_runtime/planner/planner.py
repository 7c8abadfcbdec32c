"""DistributedPlanner: the passes in order. Each leaves a plan that runs on one node and gives the same rows."""

from __future__ import annotations

import logging
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, replace

from engine.kernel import Kernel
from engine.logical.expressions import text_size
from engine.logical.nodes import LogicalPlan, SqlQuery, in_operators
from engine.logical.nodes import walk as logical_walk
from engine.lowering import lower
from engine.made_of_plans import MadeOfPlans
from engine.operators import RenameExec
from engine.optimizer import optimize
from engine.other_tables import written_out
from engine.physical import ExecutionMode, PhysicalOperator, PhysicalPlan, walk
from engine.printable import on_one_line
from engine.schema import Column
from engine.schema_inference import plan_columns, plan_origins
from engine.storage.indexes import IndexBuilder
from engine.storage.protocol import FragmentSink, Storage, TableName
from engine.travel_types import travels
from ray_runtime.explain import render_stages
from ray_runtime.operators import BuildIndexExec, ExchangeSourceExec
from ray_runtime.operators.build_index import SEGMENTS
from ray_runtime.operators.write_fragments import FRAGMENTS
from ray_runtime.planner.column_types import ColumnTypes
from ray_runtime.planner.distinct_in_tasks import distinct_in_tasks
from ray_runtime.planner.drop_columns import drop_columns
from ray_runtime.planner.hash_marks import hash_marks
from ray_runtime.planner.inline_scans import inline_scans
from ray_runtime.planner.insert_exchanges import insert_exchanges
from ray_runtime.planner.mark_lookups import mark_lookups
from ray_runtime.planner.options import DistributedOptions
from ray_runtime.planner.order_joins import order_joins
from ray_runtime.planner.push_semi_joins import push_semi_joins
from ray_runtime.planner.reduce_joins import reduce_joins
from ray_runtime.planner.replicate_scans import replicate_scans
from ray_runtime.planner.result_parts import result_parts
from ray_runtime.planner.sampling import GroupSampler
from ray_runtime.planner.split_stages import split_stages
from ray_runtime.planner.split_windows import split_windows
from ray_runtime.planner.statistics import Estimates
from ray_runtime.planner.two_phase_aggregates import two_phase_aggregates
from ray_runtime.planner.write_stages import expected_bytes, write_stages
from ray_runtime.stages import Stage, StageGraph

__all__ = ["DistributedPlan", "DistributedPlanner"]

log = logging.getLogger(__name__)

_MAX_REMEMBERED = 64_000  # characters of constants, as bound parameters are


@dataclass(frozen=True)
class DistributedPlan(PhysicalPlan):
    """A physical plan with Exchanges, and the stages between them.

    `parts` are the stages for a result that clients fetch from the workers, None where they cannot. `whole` says why
    one task does it all, None where the query is taken apart.
    """

    stages: StageGraph
    parts: StageGraph | None = None
    whole: str | None = None


class DistributedPlanner:
    """Plans logical plans for `RayExecutor`. Needs the kernel for types and the storage for splits.

    Runs nothing but samples of tables, of a fixed size, where they tell which plan is faster. `whole` counts the plans
    of one task, by the reason.
    """

    def __init__(self, kernel: Kernel, storage: Storage, options: DistributedOptions | None = None) -> None:
        self._kernel = kernel
        self._storage = storage
        self.options = options or DistributedOptions()
        self._sampler = GroupSampler(kernel, storage, self.options)
        self.whole: Counter[str] = Counter()
        self._made: MadeOfPlans[DistributedPlan] = MadeOfPlans()

    def passes(
        self, query: LogicalPlan, options: DistributedOptions | None = None, types: ColumnTypes | None = None
    ) -> list[tuple[str, PhysicalOperator]]:
        """The plan after each pass, by the pass's name; the last one has all Exchanges.

        Names that repeat in the result are numbered throughout: rows that travel need a name for each column.
        """
        options = options or self.options
        types = types or ColumnTypes(self._kernel)
        logical = optimize(in_operators(query))
        root = _with_distinct_names(lower(logical))
        plans = [("lower", root)]
        estimates = Estimates(self._sampler.groups, self._sampler.distinct)
        physical: tuple[tuple[str, Callable[[PhysicalOperator], PhysicalOperator]], ...] = (
            ("inline_scans", inline_scans),
            ("mark_lookups", lambda plan: mark_lookups(plan, self._storage)),
            ("distinct_in_tasks", distinct_in_tasks),
            ("push_semi_joins", lambda plan: push_semi_joins(plan, types, options)),
            ("order_joins", lambda plan: order_joins(plan, types, estimates)),
            ("split_windows", split_windows),
            ("two_phase_aggregates", lambda plan: two_phase_aggregates(plan, types, self._sampler)),
            ("reduce_joins", lambda plan: reduce_joins(plan, types, options, estimates)),
            ("hash_marks", lambda plan: hash_marks(plan, types, options, estimates)),
            ("insert_exchanges", lambda plan: insert_exchanges(plan, types, options, estimates)),
            ("drop_columns", drop_columns),
            ("replicate_scans", lambda plan: replicate_scans(plan, options)),
        )
        for name, rule in physical:
            root = rule(root)
            plans.append((name, root))
        return plans

    def plan(self, query: LogicalPlan, partitions: int | None = None) -> DistributedPlan:
        """The stages of `query`, with `partitions` for each shuffle. Raises PlanningError where it does not type."""
        query = written_out(query)
        if (known := self._made.get(query, partitions)) is not None:
            return known
        columns = plan_columns(query, self._kernel)
        options = self.options if partitions is None else replace(self.options, partitions=partitions)
        types = ColumnTypes(self._kernel)
        root = self.passes(query, options, types)[-1][1]
        wanted, found = tuple(c.type for c in columns), tuple(c.type for c in types.of(root))
        whole = _not_read(query)
        if found != wanted:
            # A rewrite that changes a type is a mistake in a pass; the answer must not depend on it.
            log.warning("a pass made types %s of %s", found, wanted)
            whole = "its columns would have other types"
        stages = split_stages(root, types, self._storage, options) if found == wanted else None
        if stages is not None and not _may_travel(stages):
            whole, stages = "values of a type that stays with its task", None
        if stages is None:
            root = _with_distinct_names(lower(optimize(query)))
            stages = split_stages(root, types, self._storage, options, whole=True)
        if whole is not None:
            log.info("a query runs in one task: %s", whole)
            self.whole[whole] += 1
        parts = result_parts(stages, tuple(c.name for c in columns))
        schema, origins = self._kernel.arrow_schema(columns), plan_origins(query)
        plan = DistributedPlan(root, columns, schema, ExecutionMode.DISTRIBUTED, stages, parts, whole, origins=origins)
        if text_size(query) <= _MAX_REMEMBERED:
            self._made.put(query, plan, partitions)
        return plan

    def writes(self, plan: PhysicalPlan) -> bool:
        """Whether the rows are so many that the tasks which make them store them."""
        return isinstance(plan, DistributedPlan) and expected_bytes(plan.root) >= self.options.written_bytes

    @staticmethod
    def write_plan(plan: PhysicalPlan, table: TableName, sink: FragmentSink | None) -> DistributedPlan:
        """The plan that stores the rows of `plan`; see `Runtime.write_plan`."""
        if not isinstance(plan, DistributedPlan):
            raise TypeError("The ray runtime writes the rows of the plans that it made; this one is another runtime's.")
        stages = write_stages(plan.stages, table, sink)
        root, columns = stages.result.root, (Column("fragment", "VARCHAR"),)
        return replace(plan, root=root, columns=columns, schema=FRAGMENTS, stages=stages, parts=None)

    def index_plan(self, builder: IndexBuilder) -> DistributedPlan | None:
        """The plan with a task for each part of an index, at most one for each slot; see `Runtime.index_plan`."""
        parts = builder.parts(self.options.slots)
        if len(parts) < 2 or (builder.bytes is not None and builder.bytes < self.options.written_bytes):
            return None
        root, columns = BuildIndexExec(builder), (Column("segment", "VARCHAR"),)
        stages = StageGraph((Stage(0, root, splits=parts),))
        return DistributedPlan(root, columns, SEGMENTS, ExecutionMode.DISTRIBUTED, stages)

    def explain(self, plan: DistributedPlan) -> str:
        """The stages as text; where there is one task for all, the reason is there, too."""
        stages = render_stages(plan.stages, self._storage)
        reason = on_one_line(plan.whole or "")
        return stages if reason in stages else f"In one task: {reason}\n{stages}"


def _not_read(query: LogicalPlan) -> str | None:
    """Why the query, or a part of it, is not taken apart; None where it is."""
    reasons = (node.reason for node in logical_walk(in_operators(query)) if isinstance(node, SqlQuery))
    return next((reason for reason in reasons if reason), None)


def _may_travel(stages: StageGraph) -> bool:
    """Whether all that Exchanges carry is of types that can leave a kernel; else one task has to run it all."""
    sources = (node for stage in stages for node in walk(stage.root) if isinstance(node, ExchangeSourceExec))
    return all(travels(column.type) for source in sources for column in source.columns)


def _with_distinct_names(root: PhysicalOperator) -> PhysicalOperator:
    """The root without repeated names, in any case; whoever reads the result gives the columns their own again."""
    if isinstance(root, RenameExec) and len({name.lower() for name in root.columns}) < len(root.columns):
        return RenameExec(root.input, tuple(f"c{i}" for i in range(len(root.columns))))
    return root
