"""LocalPhysicalPlanner: the physical plan for one process."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from functools import cached_property

from engine.explain import render
from engine.kernel import Kernel
from engine.kernel_errors import too_deep
from engine.logical.expressions import text_size
from engine.logical.nodes import LogicalPlan, in_operators
from engine.lowering import lower
from engine.made_of_plans import MadeOfPlans
from engine.operators import RenameExec, TableScanExec
from engine.operators.found_rows import found_rows
from engine.operators.late_reads import is_late_chain
from engine.operators.look_up import look_up
from engine.optimizer import optimize
from engine.other_tables import OtherTables
from engine.other_values import OtherValues
from engine.physical import ExecutionMode, PhysicalOperator, PhysicalPlan, walk
from engine.schema import RowType
from engine.schema_inference import operator_columns, plan_columns, plan_origins
from engine.shared_nodes import once
from engine.storage.protocol import Storage, TableHandle
from local_runtime.other_values import takes_any_values, to_run_with, with_values

__all__ = ["LocalPhysicalPlanner", "LocalPlan"]

_MAX_REMEMBERED = 64_000  # characters of constants, as bound parameters are


@dataclass(frozen=True)
class LocalPlan(PhysicalPlan):
    """A physical plan of one process: mostly the statement's whole text, over scans of its tables.

    `outline` shows what it does, in operators; None where it was not taken apart. `others` are opened in the places of
    tables in it; or it runs with their values, of which the outline does not know.
    """

    outline: PhysicalOperator | None = None
    others: OtherTables | OtherValues | None = None

    @property
    def tables(self) -> Mapping[int, TableHandle]:
        """The others, by the identities of those in whose places they are opened."""
        return self.others.tables if isinstance(self.others, OtherTables) else {}

    @cached_property
    def searched_tables(self) -> frozenset[int]:
        """The identities of the tables in it that are searched."""
        scans = [node for node in walk(self.root) if isinstance(node, TableScanExec)]
        return frozenset(id(scan.table) for scan in scans if scan.table.search is not None)


class LocalPhysicalPlanner:
    """Plans logical plans for `LocalExecutor`. Needs the kernel for types; runs nothing."""

    def __init__(self, kernel: Kernel) -> None:
        self._kernel = kernel
        self._made: MadeOfPlans[LocalPlan] = MadeOfPlans()
        self._is_right: MadeOfPlans[bool] = MadeOfPlans()  # the plan for any values

    def plan(self, query: LogicalPlan) -> LocalPlan:
        """The operators, and the columns that they give. Raises the planning errors where the plan does not type."""
        if (known := self._made.get(query)) is not None:
            return known
        if isinstance(query, OtherTables):
            known = self.plan(query.input)
            assert known.searched_tables <= query.tables.keys()
            return replace(known, others=query)
        if isinstance(query, OtherValues):
            return self._with_values(query)
        try:
            columns = plan_columns(query, self._kernel)
            outline = _outline(query)
            schema = self._kernel.arrow_schema(columns)
            found = None if outline is None else found_rows(outline, schema)
            if found is not None:
                root = found
            elif outline is not None and (_only_reads(outline) or self._reads_late(outline, columns)):
                root = outline
            else:
                whole = lower(optimize(query))
                root = whole if outline is None else look_up(outline, whole, schema)
        except RecursionError:
            raise too_deep() from None
        if isinstance(root, TableScanExec):
            # Its rows may go out as they lie, where they lie in just the result's types.
            root = replace(root, direct_schema=schema)
        plan = LocalPlan(root, columns, schema, ExecutionMode.LOCAL, outline=outline, origins=plan_origins(query))
        if text_size(query) <= _MAX_REMEMBERED:
            self._made.put(query, plan)
        return plan

    def _with_values(self, query: OtherValues) -> LocalPlan:
        """What the plan for any values is with these, if that is known to be what they have by themselves.

        That is seen by the first values that are no two the same: of these some conditions would be one.
        """
        for_any = self.plan(query.input)
        is_right = self._is_right.get(query.input)
        if is_right is None:
            alone = self.plan(query.write_out())
            if len(set(map(str, query.values.values()))) == len(query.values):
                is_right = takes_any_values(for_any.root) and with_values(for_any.root, query) == alone.root
                self._is_right.put(query.input, is_right)
            return alone
        if not is_right:
            return self.plan(query.write_out())
        return replace(for_any, root=to_run_with(for_any.root, query), others=query)

    def _reads_late(self, outline: PhysicalOperator, columns: RowType) -> bool:
        """Whether its scan finds few rows before it reads their large values, which a whole statement cannot."""
        if not is_late_chain(outline):
            return False
        return [c.type for c in operator_columns(outline, self._kernel)] == [c.type for c in columns]

    def explain(self, plan: PhysicalPlan, storage: Storage) -> str:
        """The operator tree, one line each, with the indexes that its scans of `storage` ask."""
        root = plan.root
        if isinstance(plan, LocalPlan):
            if isinstance(plan.others, OtherValues):
                plan = self.plan(plan.others.write_out())
            root = plan.outline or root
            root = _with_tables(root, plan.tables) if plan.tables else root
        return render(root, storage=storage)


def _outline(query: LogicalPlan) -> PhysicalOperator | None:
    """The operators of a statement that was taken apart."""
    operators = in_operators(query)
    return None if operators is query else lower(operators)


def _with_tables(operator: PhysicalOperator, tables: Mapping[int, TableHandle]) -> PhysicalOperator:
    """The same operators over other tables."""
    done: dict[int, tuple[PhysicalOperator, PhysicalOperator]] = {}

    def visit(node: PhysicalOperator) -> PhysicalOperator:
        return once(done, node, rewrite)

    def rewrite(node: PhysicalOperator) -> PhysicalOperator:
        found = node.with_children(tuple(map(visit, node.children)))
        if isinstance(found, TableScanExec) and (table := tables.get(id(found.table))) is not None:
            return replace(found, table=table)
        return found

    return visit(operator)


def _only_reads(outline: PhysicalOperator) -> bool:
    """Whether it gives a table's columns as they are."""
    while isinstance(outline, RenameExec):
        outline = outline.input
    return isinstance(outline, TableScanExec) and outline.filter is None
