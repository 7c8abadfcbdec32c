"""OtherTables: a plan that differs from another one only in tables, as a search for something else does.

A statement that is asked again and again with other values has one plan. Who has worked that out need not work it out
once more: what differs is put in where tables are opened.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace

from engine.logical.nodes import LogicalPlan, Scan, SqlQuery, transform_up
from engine.other_values import OtherValues
from engine.schema_inference import known_columns, plan_origins, remember_columns, remember_origins
from engine.storage.protocol import TableHandle

__all__ = ["OtherTables", "written_out"]


@dataclass(frozen=True)
class OtherTables(LogicalPlan):
    """`input` over other `tables`, by the identities of those in whose places they stand.

    They have the same columns, and the same versions of the same files. It is only ever the root of a plan.
    """

    input: LogicalPlan
    tables: Mapping[int, TableHandle]

    @property
    def names(self) -> tuple[str, ...]:
        return self.input.names


def written_out(plan: LogicalPlan) -> LogicalPlan:
    """The same plan of nodes that each hold their own tables and values. Raises as the planning of a statement."""
    if isinstance(plan, OtherValues):
        return plan.write_out()
    if not isinstance(plan, OtherTables):
        return plan
    tables = plan.tables

    def rule(node: LogicalPlan) -> LogicalPlan:
        if isinstance(node, Scan) and (table := tables.get(id(node.table))) is not None:
            return replace(node, table=table)
        if isinstance(node, SqlQuery) and node.operators is not None:
            return replace(node, operators=transform_up(node.operators, rule))
        return node

    found = transform_up(plan.input, rule)
    columns = known_columns(plan.input)
    if columns is not None:
        remember_columns(found, columns)
    return remember_origins(found, plan_origins(plan.input))
