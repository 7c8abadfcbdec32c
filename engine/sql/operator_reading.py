"""A bound statement as an optimized plan in nodes."""

from __future__ import annotations

from collections.abc import Mapping

from engine.binder import BoundStatement
from engine.logical.nodes import LogicalPlan
from engine.optimizer import optimize
from engine.schema import RowType
from engine.sql.plan_reader import NotRead, read_plan
from engine.storage.protocol import TableHandle

__all__ = ["read_operators"]


def read_operators(bound: BoundStatement, tables: Mapping[str, tuple[TableHandle, RowType]]) -> LogicalPlan:
    """The plan in nodes. Raises NotRead with the reason where there is none."""
    if bound.plan is None:
        raise NotRead(bound.reason)
    named = {name: (text, *tables[text]) for name, text in bound.tables.items()}
    try:
        return optimize(read_plan(bound.plan, named))
    except RecursionError:
        raise NotRead("nested too deeply") from None
