"""SelectBuilder: the part of a SELECT that comes after FROM and WHERE."""

from __future__ import annotations

from collections.abc import Callable

from sqlglot import exp

from engine.logical.nodes import (
    Aggregate,
    Distinct,
    Filter,
    LogicalPlan,
    NamedExpr,
    Project,
    Sort,
    SortKey,
    Window,
    col,
)
from engine.sql.clauses import Built, limited, order_keys, sort_key
from engine.sql.extraction import Extraction
from engine.sql.names import NotTakenApart, Scope

__all__ = ["SelectBuilder"]


class SelectBuilder:
    """Builds grouping, windows, projection, DISTINCT, ordering and LIMIT of one SELECT.

    `convert` turns an expression of the text into one over the plan's columns, `fresh` allocates a column name,
    `aggregates` are the kernel's aggregate function names.
    """

    def __init__(
        self,
        node: exp.Select,
        scope: Scope,
        convert: Callable[[exp.Expr], exp.Expr],
        fresh: Callable[[str], str],
        aggregates: frozenset[str],
    ) -> None:
        self._node, self._scope = node, scope
        self._convert, self._fresh, self._aggregates = convert, fresh, aggregates
        self._texts = [item.alias_or_name for item in node.expressions]
        self._items = [convert(item.unalias()) for item in node.expressions]
        self._having = self._optional("having")
        self._qualify = self._optional("qualify")
        self._order = [(o, self._order_key(o)) for o in order_keys(node)]

    def finish(self, plan: LogicalPlan) -> Built:
        """The whole SELECT over `plan`, which is what its FROM and WHERE give. Raises NotTakenApart."""
        plan = self._aggregate(plan)
        plan = self._window(plan)
        return self._project(plan)

    def _optional(self, part: str) -> exp.Expr | None:
        clause = self._node.args.get(part)
        return None if clause is None else self._convert(clause.this)

    def _order_key(self, ordered: exp.Ordered) -> exp.Expr:
        """The key as an expression over the input: an output's alias stands for what it names."""
        key = ordered.this
        if isinstance(key, exp.Column) and not key.table:
            for text, item in zip(self._texts, self._items, strict=True):
                if text.lower() == key.name.lower():
                    return item
            raise NotTakenApart(f"ordering by {key.name}")
        if isinstance(key, exp.Literal):
            if key.is_string:
                raise NotTakenApart("ordering by a constant")
            return self._items[int(key.name) - 1]
        return self._convert(self._bare_names_resolved(key))

    def _bare_names_resolved(self, key: exp.Expr) -> exp.Expr:
        """`key` with its bare names as they are read inside an expression: columns of FROM first, then outputs."""
        holder = exp.Paren(this=key.copy())
        for column in [c for c in holder.find_all(exp.Column) if not c.table]:
            column.replace(self._bare_name(column.name))
        resolved: exp.Expr = holder.this
        return resolved.pop()

    def _bare_name(self, name: str) -> exp.Expr:
        owners = [alias for alias, columns in self._scope.relations.items() if name.lower() in columns]
        if len(owners) == 1:
            return exp.column(name, table=owners[0])
        outputs = [i for t, i in zip(self._texts, self._node.expressions, strict=True) if t.lower() == name.lower()]
        if owners or len(outputs) != 1 or outputs[0].find(exp.Query) is not None:
            raise NotTakenApart(f"ordering by an expression of {name}")
        return exp.Paren(this=outputs[0].unalias().copy())

    @property
    def _late(self) -> list[exp.Expr]:
        """Every expression that is evaluated after the grouping."""
        clauses = [e for e in (self._having, self._qualify) if e is not None]
        return [*self._items, *clauses, *(e for _, e in self._order)]

    def _everywhere(self, rule: Callable[[exp.Expr], exp.Expr]) -> None:
        """Apply a rewrite to every expression that is evaluated after the grouping."""
        self._items = [rule(e) for e in self._items]
        self._having = None if self._having is None else rule(self._having)
        self._qualify = None if self._qualify is None else rule(self._qualify)
        self._order = [(o, rule(e)) for o, e in self._order]

    def _aggregate(self, plan: LogicalPlan) -> LogicalPlan:
        extraction = Extraction(self._aggregates, self._fresh)
        group = self._node.args.get("group")
        if group is None and self._having is None and not any(extraction.contains_aggregate(e) for e in self._late):
            return plan
        keys, sets = self._grouping(group, extraction)
        named = self._key_names(keys, plan, sets is not None)
        if sets is not None:
            plan, named = self._key_projection(plan, named)
        lookup = [(key, k.name) for key, k in zip(keys, named, strict=True)]
        self._everywhere(lambda e: extraction.replace_keys(e, lookup))
        self._everywhere(extraction.take_aggregates)
        plan = Aggregate(plan, tuple(named), tuple(extraction.calls), sets)
        hidden = {name for columns in self._scope.relations.values() for name in columns.values()} - set(plan.names)
        for expr in self._late:
            for column in expr.find_all(exp.Column):
                if column.name in hidden:
                    raise NotTakenApart(f"{column.name} is neither grouped nor aggregated")
        return plan if self._having is None else Filter(plan, self._having)

    def _grouping(
        self, group: exp.Group | None, extraction: Extraction
    ) -> tuple[list[exp.Expr], tuple[tuple[int, ...], ...] | None]:
        """The distinct keys, and the grouping sets as positions in them."""
        if group is None:
            return [], None
        sets = [e for e in group.expressions if isinstance(e, exp.GroupingSets)]
        if group.find(exp.Cube, exp.Rollup) is not None or group.args.get("totals"):
            raise NotTakenApart("ROLLUP or CUBE that was not expanded")
        if group.args.get("all"):
            plain = [
                e for e in self._items if not extraction.contains_aggregate(e) and not extraction.contains_window(e)
            ]
            return _distinct(
                [e for e in plain if e.find(exp.Column) is not None or not isinstance(e, exp.Literal)]
            ), None
        plain = [self._convert(e) for e in group.expressions if not isinstance(e, exp.GroupingSets)]
        if any(isinstance(e, exp.Literal) for e in plain):
            raise NotTakenApart("grouping by a constant")
        if not sets:
            return _distinct(plain), None
        if len(sets) != 1:
            raise NotTakenApart("several lists of grouping sets")
        members = [self._set_members(member) for member in sets[0].expressions]
        keys = _distinct([*plain, *(e for member in members for e in member)])
        position = {key: i for i, key in enumerate(keys)}
        always = [position[e] for e in plain]
        return keys, tuple(tuple(dict.fromkeys([*always, *(position[e] for e in member)])) for member in members)

    def _set_members(self, member: exp.Expr) -> list[exp.Expr]:
        if isinstance(member, exp.Tuple):
            return [self._convert(e) for e in member.expressions]
        if isinstance(member, exp.Paren):
            return [self._convert(member.this)]
        if isinstance(member, exp.Column | exp.Func | exp.Binary):
            return [self._convert(member)]
        raise NotTakenApart("nested grouping sets")

    def _key_names(self, keys: list[exp.Expr], plan: LogicalPlan, fresh: bool) -> list[NamedExpr]:
        given = frozenset(plan.names)
        named = []
        for key in keys:
            if isinstance(key, exp.Column) and key.name in given and not fresh:
                named.append(NamedExpr(key.name, key))
            else:
                texts = [t for t, item in zip(self._texts, self._items, strict=True) if item == key]
                named.append(NamedExpr(self._fresh(texts[0] if texts else "key"), key))
        return named

    def _key_projection(self, plan: LogicalPlan, named: list[NamedExpr]) -> tuple[LogicalPlan, list[NamedExpr]]:
        passed = tuple(NamedExpr(name, col(name)) for name in plan.names)
        return Project(plan, (*passed, *named)), [NamedExpr(k.name, col(k.name)) for k in named]

    def _window(self, plan: LogicalPlan) -> LogicalPlan:
        extraction = Extraction(self._aggregates, self._fresh)
        self._everywhere(extraction.take_windows)
        if extraction.calls:
            plan = Window(plan, tuple(extraction.calls))
        return plan if self._qualify is None else Filter(plan, self._qualify)

    def _project(self, plan: LogicalPlan) -> Built:
        given = frozenset(plan.names)
        taken: set[str] = set()
        exprs: list[NamedExpr] = []
        for text, item in zip(self._texts, self._items, strict=True):
            keep = isinstance(item, exp.Column) and item.name in given and item.name not in taken
            name = item.name if keep else self._fresh(text)
            taken.add(name)
            exprs.append(NamedExpr(name, item))
        outputs = tuple((text, e.name) for text, e in zip(self._texts, exprs, strict=True))
        by_expr: dict[exp.Expr, str] = {}
        for e in exprs:
            by_expr.setdefault(e.expr, e.name)
        keys: list[SortKey] = []
        hidden: list[NamedExpr] = []
        for ordered, expr in self._order:
            known = by_expr.get(expr)
            name = known or ""
            if known is None:
                keep = isinstance(expr, exp.Column) and expr.name in given and expr.name not in taken
                name = expr.name if keep else self._fresh("order")
                taken.add(name)
                by_expr[expr] = name
                hidden.append(NamedExpr(name, expr))
            keys.append(sort_key(ordered, col(name)))
        distinct = self._node.args.get("distinct")
        if distinct is not None and (distinct.args.get("on") or hidden):
            raise NotTakenApart("DISTINCT ON")
        plan = Project(plan, (*exprs, *hidden))
        plan = Distinct(plan) if distinct is not None else plan
        plan = Sort(plan, tuple(keys)) if keys else plan
        plan = limited(plan, self._node)
        if hidden:
            plan = Project(plan, tuple(NamedExpr(e.name, col(e.name)) for e in exprs))
        return Built(plan, outputs)


def _distinct(exprs: list[exp.Expr]) -> list[exp.Expr]:
    return list(dict.fromkeys(exprs))
