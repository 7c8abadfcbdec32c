"""Pass 1: subqueries become joins.

::

    WHERE EXISTS (SELECT ... WHERE i.k = o.k)     semi join on i.k = o.k
    WHERE NOT EXISTS (...)                        anti join
    WHERE x IN (SELECT y ...)                     semi join on x = y
    WHERE x NOT IN (SELECT y ...)                 anti join on x = y, and a check for NULLs on either side
    x < (SELECT agg(y) ...)                       cross join with one row
    x < (SELECT agg(y) ... WHERE i.k = o.k)       left join with agg(y) grouped by i.k; count of nothing is 0

What fits none of these stays as it is; the node that holds it will run in one task, where the kernel knows what to do.
"""

from __future__ import annotations

from dataclasses import replace

from sqlglot import exp

from engine.logical.columns import conjunction, conjuncts, has_subplan, mentioned, substitute
from engine.logical.nodes import (
    Aggregate,
    Collect,
    Distinct,
    Filter,
    Join,
    Limit,
    LogicalPlan,
    NamedExpr,
    Project,
    Rename,
    Sort,
    Subplan,
    col,
    walk,
)
from engine.logical.subplans import node_expressions
from engine.sql.extraction import function_name

__all__ = ["unnest_subqueries"]

_NULL_OF_NOTHING = frozenset(
    {"sum", "avg", "min", "max", "any_value", "first", "last", "median", "stddev", "stddev_samp", "stddev_pop"}
    | {"variance", "var_samp", "var_pop", "bool_and", "bool_or", "product", "fsum", "arg_min", "arg_max", "string_agg"}
)
_ZERO_OF_NOTHING = frozenset({"count", "count_star", "approx_count_distinct"})
_SINGLE_ROW = (
    "More than one row returned by a subquery used as an expression - scalar subqueries can only return a single row."
)


def unnest_subqueries(plan: LogicalPlan) -> LogicalPlan:
    """The plan with the subqueries that can be joins as joins; same rows, names and types."""
    return _Unnester().visit(plan)


class _Correlated(Exception):
    """A subquery depends on its surroundings in a way that no join here expresses."""


class _Unnester:
    def __init__(self) -> None:
        self._done: dict[int, tuple[LogicalPlan, LogicalPlan]] = {}
        self._count = 0

    def visit(self, node: LogicalPlan) -> LogicalPlan:
        found = self._done.get(id(node))
        if found is None:
            found = (node, self._visit(node))
            self._done[id(node)] = found
        return found[1]

    def _visit(self, node: LogicalPlan) -> LogicalPlan:
        node = node.with_children(tuple(self.visit(child) for child in node.children))
        if isinstance(node, Filter) and has_subplan(node.predicate):
            return self._filter(node)
        if isinstance(node, Project) and any(has_subplan(e.expr) for e in node.exprs):
            return self._project(node)
        return node

    def _fresh(self, base: str) -> str:
        self._count += 1
        return f"__{base}{self._count}"

    def _filter(self, node: Filter) -> LogicalPlan:
        plan, rest = node.input, []
        for part in conjuncts(node.predicate):
            if not has_subplan(part):
                rest.append(part)
                continue
            try:
                plan, left_over = self._conjunct(plan, part)
            except _Correlated:
                left_over = part
            if left_over is not None:
                rest.append(left_over)
        plan = Filter(plan, conjunction(rest)) if rest else plan
        return _exactly(plan, node.names)

    def _project(self, node: Project) -> LogicalPlan:
        plan, exprs = node.input, []
        for e in node.exprs:
            try:
                plan, expr = self._scalars(plan, e.expr)
            except _Correlated:
                expr = e.expr
            exprs.append(NamedExpr(e.name, expr))
        return Project(plan, tuple(exprs))

    def _conjunct(self, plan: LogicalPlan, part: exp.Expr) -> tuple[LogicalPlan, exp.Expr | None]:
        """`plan` restricted by `part`, and what is left of it to be applied as a filter."""
        negated, inner = False, part
        while isinstance(inner, exp.Not | exp.Paren):
            negated = negated != isinstance(inner, exp.Not)
            inner = inner.this
        if isinstance(inner, exp.Exists):
            return self._exists(plan, _plan_in(inner.this), negated), None
        membership = _membership(inner)
        if membership is None:
            return self._scalars(plan, part)
        value, compared, subplan = membership
        if has_subplan(value):
            raise _Correlated
        if not negated:
            return self._semi(plan, value, compared, subplan), None
        if not isinstance(compared, exp.EQ):
            raise _Correlated
        return self._not_in(plan, value, subplan), None

    def _exists(self, plan: LogicalPlan, subplan: LogicalPlan, negated: bool) -> LogicalPlan:
        pulled, conditions = self._pull(_without_shape(subplan), set(plan.names))
        condition = conjunction(conditions) if conditions else exp.true()
        return Join(plan, pulled, "anti" if negated else "semi", condition)

    def _semi(self, plan: LogicalPlan, value: exp.Expr, compared: exp.Binary, subplan: LogicalPlan) -> LogicalPlan:
        name = _only_column(subplan)
        pulled, conditions = self._pull(subplan, set(plan.names))
        comparison = type(compared)(this=_operand(value), expression=col(name))
        return Join(plan, pulled, "semi", conjunction([comparison, *conditions]))

    def _not_in(self, plan: LogicalPlan, value: exp.Expr, subplan: LogicalPlan) -> LogicalPlan:
        if _outer_names(subplan, set(plan.names)):
            raise _Correlated
        name = _only_column(subplan)
        shared = Collect(self.visit(subplan), self._fresh("not_in"))
        anti = Join(plan, shared, "anti", exp.EQ(this=_operand(value), expression=col(name)))
        counted = Rename(shared, (self._fresh("value"),))
        rows, filled = self._fresh("rows"), self._fresh("filled")
        counts = Aggregate(
            counted,
            (),
            (
                NamedExpr(rows, exp.Count(this=exp.Star())),
                NamedExpr(filled, exp.Count(this=col(counted.columns[0]))),
            ),
        )
        known = exp.And(
            this=exp.EQ(this=col(rows), expression=col(filled)),
            expression=exp.Not(this=exp.Is(this=_operand(value), expression=exp.Null())),
        )
        nothing = exp.EQ(this=col(rows), expression=exp.Literal.number(0))
        kept = Filter(Join(anti, counts, "cross"), exp.Or(this=nothing, expression=exp.Paren(this=known)))
        return _exactly(kept, plan.names)

    def _scalars(self, plan: LogicalPlan, expr: exp.Expr) -> tuple[LogicalPlan, exp.Expr]:
        """`plan` with the scalar subqueries of `expr` as columns, and `expr` over these."""
        holder = exp.Paren(this=expr.copy())
        for found in list(holder.find_all(Subplan)):
            if isinstance(found.parent, exp.Exists | exp.Any | exp.All | exp.In) or _under_any(found):
                raise _Correlated
            plan, value = self._scalar(plan, found.args["plan"])
            found.replace(value)
        result: exp.Expr = holder.this
        result.pop()
        return plan, result

    def _scalar(self, plan: LogicalPlan, subplan: LogicalPlan) -> tuple[LogicalPlan, exp.Expr]:
        name = _only_column(subplan)
        if not _outer_names(subplan, set(plan.names)):
            one = self.visit(subplan)
            if not _gives_one_row(one):
                one = self._guarded(one)
                (name,) = one.names
            return Join(plan, one, "cross"), col(name)
        projections: list[Project] = []
        inner = subplan
        while isinstance(inner, Project):
            projections.append(inner)
            inner = inner.input
        if not isinstance(inner, Aggregate) or inner.keys or inner.grouping_sets is not None:
            raise _Correlated
        outer = set(plan.names)
        if any(_mentions(e.expr, outer) for p in projections for e in p.exprs):
            raise _Correlated
        pulled, conditions = self._pull(inner.input, outer)
        keys, on = self._grouped(conditions, outer)
        aggregates = inner.aggregates
        if any(_mentions(a.expr, outer) for a in aggregates):
            raise _Correlated
        grouped = Aggregate(pulled, tuple(keys), aggregates)
        defaults = {a.name: _or_default(a) for a in aggregates}
        value: exp.Expr = col(name)
        for projection in projections:
            value = substitute(value, {e.name: e.expr for e in projection.exprs})
        return Join(plan, grouped, "left", conjunction(on)), substitute(value, defaults)

    def _grouped(self, conditions: list[exp.Expr], outer: set[str]) -> tuple[list[NamedExpr], list[exp.Expr]]:
        """Grouping keys for the inner sides of equalities, and the equalities over these keys."""
        keys: list[NamedExpr] = []
        on: list[exp.Expr] = []
        for condition in conditions:
            if not isinstance(condition, exp.EQ):
                raise _Correlated
            sides = [condition.left, condition.right]
            inner = [s for s in sides if not _mentions(s, outer)]
            if len(inner) != 1:
                raise _Correlated
            other = sides[1] if inner[0] is sides[0] else sides[0]
            key = NamedExpr(self._fresh("key"), inner[0].copy())
            keys.append(key)
            on.append(exp.EQ(this=_operand(other), expression=col(key.name)))
        return keys, on

    def _guarded(self, plan: LogicalPlan) -> LogicalPlan:
        """One row of `plan`'s only column: NULL where it has none, an error where it has several."""
        (name,) = plan.names
        count, first, value = self._fresh("rows"), self._fresh("first"), self._fresh("scalar")
        one = Aggregate(
            plan,
            (),
            (
                NamedExpr(count, exp.Count(this=exp.Star())),
                NamedExpr(first, exp.Anonymous(this="first", expressions=[col(name)])),
            ),
        )
        too_many = exp.If(
            this=exp.GT(this=col(count), expression=exp.Literal.number(1)),
            true=exp.Anonymous(this="error", expressions=[exp.Literal.string(_SINGLE_ROW)]),
        )
        return Project(one, (NamedExpr(value, exp.Case(ifs=[too_many], default=col(first))),))

    def _pull(self, plan: LogicalPlan, outer: set[str]) -> tuple[LogicalPlan, list[exp.Expr]]:
        """`plan` without its correlated predicates, and these; the columns that they need are kept."""
        pulled, conditions = self._pull_from(plan, outer)
        if _outer_names(pulled, outer):
            raise _Correlated
        return self.visit(pulled), conditions

    def _pull_from(self, plan: LogicalPlan, outer: set[str]) -> tuple[LogicalPlan, list[exp.Expr]]:
        match plan:
            case Filter():
                inner, conditions = self._pull_from(plan.input, outer)
                local: list[exp.Expr] = []
                for part in conjuncts(plan.predicate):
                    correlated = _mentions(part, outer)
                    if correlated and has_subplan(part):
                        raise _Correlated
                    (conditions if correlated else local).append(part)
                return (Filter(inner, conjunction(local)) if local else inner), conditions
            case Project():
                inner, conditions = self._pull_from(plan.input, outer)
                needed = set().union(*(mentioned(c) for c in conditions)) & set(inner.names)
                have = {e.name: e.expr for e in plan.exprs}
                added = []
                for name in sorted(needed):
                    known = have.get(name)
                    if known is None:
                        added.append(NamedExpr(name, col(name)))
                    elif not (isinstance(known, exp.Column) and known.name == name):
                        raise _Correlated
                return Project(inner, (*plan.exprs, *added)), conditions
            case Join(kind="inner" | "cross"):
                left, first = self._pull_from(plan.left, outer)
                right, second = self._pull_from(plan.right, outer)
                on = [] if plan.condition is None else conjuncts(plan.condition)
                third = [c for c in on if _mentions(c, outer)]
                kept = [c for c in on if not _mentions(c, outer)]
                if any(has_subplan(c) for c in third):
                    raise _Correlated
                joined = Join(left, right, "inner" if kept else "cross", conjunction(kept) if kept else None)
                return joined, [*first, *second, *third]
            case Join(kind="left" | "semi" | "anti"):
                left, conditions = self._pull_from(plan.left, outer)
                return replace(plan, left=left), conditions
            case _:
                return plan, []


def _exactly(plan: LogicalPlan, names: tuple[str, ...]) -> LogicalPlan:
    return plan if plan.names == names else Project(plan, tuple(NamedExpr(n, col(n)) for n in names))


def _operand(expr: exp.Expr) -> exp.Expr:
    copied = expr.copy()
    return copied if isinstance(copied, exp.Column | exp.Literal | exp.Func | exp.Paren) else exp.Paren(this=copied)


def _only_column(plan: LogicalPlan) -> str:
    if len(plan.names) != 1:
        raise _Correlated
    return plan.names[0]


def _plan_in(node: exp.Expr) -> LogicalPlan:
    while isinstance(node, exp.Paren | exp.Subquery):
        node = node.this
    if not isinstance(node, Subplan):
        raise _Correlated
    plan: LogicalPlan = node.args["plan"]
    return plan


def _membership(node: exp.Expr) -> tuple[exp.Expr, exp.Binary, LogicalPlan] | None:
    """The value, the comparison and the plan of ``x IN (...)`` or ``x op ANY (...)``."""
    if isinstance(node, exp.In) and node.args.get("query") is not None:
        return node.this, exp.EQ(), _plan_in(node.args["query"])
    comparisons = (exp.EQ, exp.NEQ, exp.LT, exp.LTE, exp.GT, exp.GTE)
    if isinstance(node, comparisons) and isinstance(node.expression, exp.Any):
        return node.left, node, _plan_in(node.expression.this)
    return None


def _under_any(node: exp.Expr) -> bool:
    parent = node.parent
    while isinstance(parent, exp.Paren | exp.Subquery):
        parent = parent.parent
    return isinstance(parent, exp.Exists | exp.Any | exp.All | exp.In)


def _mentions(expr: exp.Expr, names: set[str]) -> bool:
    return bool(mentioned(expr) & names)


def _outer_names(plan: LogicalPlan, outer: set[str]) -> set[str]:
    """The names of `outer` that the plan mentions; names are unique in a plan, so these are correlated."""
    return {n for node in walk(plan) for e in node_expressions(node) for n in mentioned(e)} & outer


def _without_shape(plan: LogicalPlan) -> LogicalPlan:
    """A subquery of EXISTS without what cannot change whether it has rows."""
    while True:
        if isinstance(plan, Sort | Distinct) or (
            isinstance(plan, Limit) and plan.count is not None and plan.count > 0 and plan.offset == 0
        ):
            plan = plan.input
        else:
            return plan


def _gives_one_row(plan: LogicalPlan) -> bool:
    while isinstance(plan, Project | Rename | Collect):
        plan = plan.input
    return isinstance(plan, Aggregate) and not plan.keys and plan.grouping_sets is None


def _or_default(aggregate: NamedExpr) -> exp.Expr:
    """The aggregate's column where no group was found: NULL or 0, as the aggregate has it for no rows."""
    call = aggregate.expr
    while isinstance(call, exp.Filter):
        call = call.this
    name = function_name(call)
    if name in _ZERO_OF_NOTHING:
        return exp.Coalesce(this=col(aggregate.name), expressions=[exp.Literal.number(0)])
    if name in _NULL_OF_NOTHING:
        return col(aggregate.name)
    raise _Correlated
