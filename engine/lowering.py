"""From logical nodes to operators: the same code for both runtimes, one exhaustive match."""

from __future__ import annotations

from sqlglot import exp

from engine.logical import nodes as logical
from engine.logical.nodes import NamedExpr
from engine.operators import (
    CollectExec,
    DistinctExec,
    EmptyExec,
    FilterExec,
    HashAggregateExec,
    JoinExec,
    LimitExec,
    ProjectExec,
    RenameExec,
    SetOpExec,
    SortExec,
    SqlExec,
    TableScanExec,
    TopNExec,
    UnnestExec,
    ValuesExec,
    WindowExec,
)
from engine.physical import PhysicalOperator
from engine.shared_nodes import once

__all__ = ["lower"]


def lower(plan: logical.LogicalPlan) -> PhysicalOperator:
    """The operators that compute `plan`. A node that stands in several places becomes one operator."""
    return _Lowering().plan(plan)


class _Lowering:
    def __init__(self) -> None:
        self._done: dict[int, tuple[logical.LogicalPlan, PhysicalOperator]] = {}

    def plan(self, node: logical.LogicalPlan) -> PhysicalOperator:
        return once(self._done, node, self._lower)

    def _lower(self, node: logical.LogicalPlan) -> PhysicalOperator:
        match node:
            case logical.Scan():
                return TableScanExec(node.table, node.columns, node.aliases, node.filter, node.limit)
            case logical.Values():
                return ValuesExec(node.columns, node.rows)
            case logical.Filter():
                return FilterExec(self.plan(node.input), node.predicate)
            case logical.Project():
                child = self.plan(node.input)
                return child if _passes_all(node.exprs, child.schema) else ProjectExec(child, node.exprs)
            case logical.Aggregate():
                return self._aggregate(node)
            case logical.Window():
                return WindowExec(self.plan(node.input), node.functions)
            case logical.Join():
                return JoinExec(self.plan(node.left), self.plan(node.right), node.kind, node.condition, node.mark)
            case logical.Unnest():
                return UnnestExec(self.plan(node.input), node.lists)
            case logical.Empty():
                return EmptyExec(node.columns)
            case logical.Sort():
                return SortExec(self.plan(node.input), node.keys)
            case logical.Limit():
                return self._limit(node)
            case logical.Distinct():
                return DistinctExec(self.plan(node.input), node.on, node.order)
            case logical.SetOp():
                return SetOpExec(self.plan(node.left), self.plan(node.right), node.kind, node.all, node.columns)
            case logical.Rename():
                child = self.plan(node.input)
                return child if child.schema == node.columns else RenameExec(child, node.columns)
            case logical.Collect():
                return CollectExec(self.plan(node.input), node.name)
            case logical.SqlQuery():
                inputs = tuple((n, self.plan(p)) for n, p in node.inputs)
                return SqlExec(node.query, node.columns, inputs, node.reason)
            case _:
                raise TypeError(f"{type(node).__name__} is not a logical node that can be lowered")

    def _limit(self, node: logical.Limit) -> PhysicalOperator:
        if isinstance(node.input, logical.Sort) and node.count is not None:
            return TopNExec(self.plan(node.input.input), node.input.keys, node.count, node.offset)
        return LimitExec(self.plan(node.input), node.count, node.offset)

    def _aggregate(self, node: logical.Aggregate) -> PhysicalOperator:
        child = self.plan(node.input)
        keys, aggregates = node.keys, node.aggregates
        if node.grouping_sets is None:
            return HashAggregateExec(child, keys, aggregates)
        passed = tuple(NamedExpr(name, logical.col(name)) for name in child.schema)
        computed = tuple(k for k in keys if not (isinstance(k.expr, exp.Column) and k.expr.name == k.name))
        if computed:
            hidden = tuple(c for c in passed if c.name not in {k.name for k in computed})
            child = ProjectExec(child, hidden + computed)
            keys = tuple(NamedExpr(k.name, logical.col(k.name)) for k in keys)
            named = {k.expr: logical.col(k.name) for k in computed}
            aggregates = tuple(NamedExpr(a.name, _grouping_by_name(a.expr, named)) for a in aggregates)
        return HashAggregateExec(child, keys, aggregates, node.grouping_sets)


def _grouping_by_name(call: exp.Expr, keys: dict[exp.Expr, exp.Column]) -> exp.Expr:
    """``GROUPING(expression)`` as one of the column that the expression is computed in; other calls as they are."""
    if not isinstance(call, exp.Anonymous) or str(call.name).lower() != "grouping":
        return call
    return exp.Anonymous(this=call.this, expressions=[keys.get(key, key).copy() for key in call.expressions])


def _passes_all(exprs: tuple[NamedExpr, ...], names: tuple[str, ...]) -> bool:
    """Whether a projection gives its input as it is."""
    return len(exprs) == len(names) and all(
        e.name == name and isinstance(e.expr, exp.Column) and e.expr.name == name
        for e, name in zip(exprs, names, strict=True)
    )
