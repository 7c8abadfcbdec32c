"""Types from the kernel's binder, so that inference never disagrees with execution.

Each function compiles what it is asked about over inputs without rows and asks the kernel what it would give.
"""

from __future__ import annotations

from collections.abc import Sequence

from sqlglot import exp

from engine.execution import compile_statement
from engine.kernel import Kernel
from engine.logical.nodes import LogicalPlan, NamedExpr
from engine.lowering import lower
from engine.operators import EmptyExec, HashAggregateExec, ProjectExec, TableScanExec
from engine.physical import PhysicalOperator
from engine.schema import Column, RowType
from engine.shared_nodes import once
from engine.storage.protocol import Origins

__all__ = [
    "build_aggregate_schema",
    "build_project_schema",
    "infer_expr_type",
    "known_columns",
    "operator_columns",
    "plan_columns",
    "plan_origins",
    "remember_columns",
    "remember_origins",
]

_KNOWN = "_columns"
_ORIGINS = "_origins"


def infer_expr_type(expr: exp.Expr, columns: RowType, kernel: Kernel) -> str:
    """The kernel type of `expr` over `columns`. Raises UnknownColumnError and TypeMismatchError."""
    return build_project_schema((NamedExpr("value", expr),), columns, kernel)[0].type


def build_project_schema(exprs: Sequence[NamedExpr], columns: RowType, kernel: Kernel) -> RowType:
    """The columns that a projection of `exprs` over `columns` gives."""
    return operator_columns(ProjectExec(EmptyExec(columns), tuple(exprs)), kernel)


def build_aggregate_schema(
    keys: Sequence[NamedExpr], aggregates: Sequence[NamedExpr], columns: RowType, kernel: Kernel
) -> RowType:
    """The columns that an aggregate over `columns` gives: keys first."""
    return operator_columns(HashAggregateExec(EmptyExec(columns), tuple(keys), tuple(aggregates)), kernel)


def plan_columns(plan: LogicalPlan, kernel: Kernel) -> RowType:
    """The columns of a logical plan with their kernel types. Asked once for each plan."""
    known = known_columns(plan)
    if known is None:
        known = operator_columns(lower(plan), kernel)
        remember_columns(plan, known)
    return known


def known_columns(plan: LogicalPlan) -> RowType | None:
    """What `remember_columns` has noted."""
    found: RowType | None = plan.__dict__.get(_KNOWN)
    return found


def remember_columns(plan: LogicalPlan, columns: RowType) -> None:
    """Note the columns of `plan`, which the kernel has told already."""
    plan.__dict__[_KNOWN] = columns


def plan_origins(plan: LogicalPlan) -> Origins:
    """The tables that the columns of a logical plan come from, as the front end has noted; empty where it has not."""
    known: Origins = plan.__dict__.get(_ORIGINS, ())
    return known


def remember_origins(plan: LogicalPlan, origins: Origins) -> LogicalPlan:
    """Note where the columns of `plan` come from; returns `plan`."""
    plan.__dict__[_ORIGINS] = origins
    return plan


def operator_columns(operator: PhysicalOperator, kernel: Kernel) -> RowType:
    """The columns of an operator with their kernel types; names as the operator gives them."""
    statement = compile_statement(_without_data(operator), None)
    types = kernel.describe(statement.sql)
    return tuple(Column(name, c.type) for name, c in zip(operator.schema, types, strict=False))


def _without_data(operator: PhysicalOperator) -> PhysicalOperator:
    """The same tree over typed inputs without rows."""
    done: dict[int, tuple[PhysicalOperator, PhysicalOperator]] = {}

    def visit(node: PhysicalOperator) -> PhysicalOperator:
        return once(done, node, rewrite)

    def rewrite(node: PhysicalOperator) -> PhysicalOperator:
        if isinstance(node, TableScanExec):
            return EmptyExec(tuple(Column(a, c.type) for a, c in zip(node.aliases, node.columns, strict=True)))
        return node.with_children(tuple(visit(child) for child in node.children))

    return visit(operator)
