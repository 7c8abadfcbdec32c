"""The types of the columns of operators in a plan, each asked of the kernel once and over its inputs' columns only."""

from __future__ import annotations

from collections.abc import Sequence

from sqlglot import exp

from engine.cancellation import require_answer
from engine.errors import GrismError
from engine.kernel import Kernel
from engine.logical.columns import columns_of
from engine.logical.nodes import NamedExpr
from engine.operators import (
    CollectExec,
    DistinctExec,
    EmptyExec,
    FilterExec,
    JoinExec,
    LimitExec,
    ProjectExec,
    RenameExec,
    SortExec,
    TableScanExec,
    TopNExec,
)
from engine.physical import PhysicalOperator
from engine.schema import Column, RowType
from engine.schema_inference import build_project_schema, operator_columns
from engine.shared_nodes import once
from ray_runtime.operators import ExchangeExec

__all__ = ["ColumnTypes"]

_AS_THEY_COME = (FilterExec, SortExec, TopNExec, LimitExec, DistinctExec, CollectExec)


class ColumnTypes:
    """Types for the operators of one plan; an operator that several places read is one object, and asked for once.

    Raises what the kernel's binder says of an operator that does not type.
    """

    def __init__(self, kernel: Kernel) -> None:
        self.kernel = kernel
        self._known: dict[int, tuple[PhysicalOperator, RowType]] = {}

    def of(self, operator: PhysicalOperator) -> RowType:
        """The operator's columns with their kernel types."""
        return once(self._known, operator, self._find)

    def expressions(self, operator: PhysicalOperator, exprs: Sequence[exp.Expr]) -> list[str]:
        """The types of `exprs` over the operator's columns; all of them "" where one does not type."""
        try:
            columns = {c.name: c for c in self.of(operator)}
            plain = [e.name if isinstance(e, exp.Column) else None for e in exprs]
            if all(name in columns for name in plain):
                return [columns[str(name)].type for name in plain]
            used = set[str]().union(*map(columns_of, exprs))
            needed = tuple(c for c in columns.values() if c.name in used) or tuple(columns.values())[:1]
            named = [NamedExpr(f"k{i}", e) for i, e in enumerate(exprs)]
            return [c.type for c in build_project_schema(named, needed, self.kernel)]
        except GrismError as error:
            require_answer(error)
            return [""] * len(exprs)

    def _find(self, node: PhysicalOperator) -> RowType:
        match node:
            case TableScanExec():
                return tuple(Column(a, c.type) for a, c in zip(node.aliases, node.columns, strict=True))
            case EmptyExec():
                return node.columns
            case ExchangeExec():
                return self.of(node.input)
            case RenameExec():
                return tuple(Column(name, c.type) for name, c in zip(node.columns, self.of(node.input), strict=True))
            case JoinExec():
                columns = self.of(node.left)
                if node.mark is not None:
                    return (*columns, Column(node.mark, "BOOLEAN"))
                return columns if node.kind in ("semi", "anti") else columns + self.of(node.right)
            case ProjectExec() if all(isinstance(e.expr, exp.Column) for e in node.exprs):
                types = {c.name: c.type for c in self.of(node.input)}
                if all(e.expr.name in types for e in node.exprs):
                    return tuple(Column(e.name, types[e.expr.name]) for e in node.exprs)
            case _ if isinstance(node, _AS_THEY_COME):
                return self.of(node.children[0])
        return operator_columns(self._over_columns(node), self.kernel)

    def _over_columns(self, node: PhysicalOperator) -> PhysicalOperator:
        """`node` over no rows of its inputs' columns; what gives an aggregate's state has to be asked itself."""
        inputs = []
        for child in node.children:
            columns = self.of(child)
            states = any("AGGREGATE_STATE" in c.type for c in columns)
            inputs.append(self._over_columns(child) if states else EmptyExec(columns))
        return node.with_children(tuple(inputs))
