"""From a qualified sqlglot SELECT to a LogicalPlan.

The text is the kernel's own canonical form, already bound by it, so what arrives here is valid. Whatever the builder
does not know raises `NotTakenApart`, and the front end leaves the whole statement to the kernel as a `SqlQuery`.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass

from sqlglot import exp
from sqlglot.dialects.duckdb import DuckDB

from engine.logical.nodes import (
    Collect,
    Filter,
    Join,
    LogicalPlan,
    NamedExpr,
    Project,
    Rename,
    Scan,
    SetOp,
    Sort,
    SortKey,
    Subplan,
    Values,
    col,
)
from engine.schema import Column
from engine.sql.clauses import Built, limited, order_keys, sort_key
from engine.sql.extraction import makes_rows
from engine.sql.names import NameAllocator, NotTakenApart, Scope
from engine.sql.select import SelectBuilder
from engine.storage.protocol import TableHandle

__all__ = ["LogicalBuilder"]

_SELECT_PARTS = frozenset(
    {"expressions", "from_", "joins", "where", "group", "having", "qualify", "distinct", "order", "limit", "offset"}
    | {"with_", "kind"}
)
_BARE_WORDS = tuple(DuckDB.parser_class.NO_PAREN_FUNCTIONS.values())


class LogicalBuilder:
    """Builds one statement. `tables` maps the names of tables in the text to versions and their columns."""

    def __init__(
        self, tables: Mapping[str, tuple[TableHandle, tuple[Column, ...]]], aggregates: frozenset[str]
    ) -> None:
        self._tables = tables
        self._aggregates = aggregates
        self._names = NameAllocator()

    def build(self, query: exp.Expr) -> Built:
        """The plan of a whole statement."""
        return self._query(query, None, {})

    def _query(self, node: exp.Expr, outer: Scope | None, ctes: Mapping[str, _Cte]) -> Built:
        while isinstance(node, exp.Subquery | exp.Paren) and not _clauses(node):
            node = node.this
        ctes = self._with(node, outer, ctes)
        if isinstance(node, exp.Select):
            return self._select(node, outer, ctes)
        if isinstance(node, exp.SetOperation):
            return self._set_operation(node, outer, ctes)
        raise NotTakenApart(type(node).__name__)

    def _with(self, node: exp.Expr, outer: Scope | None, ctes: Mapping[str, _Cte]) -> Mapping[str, _Cte]:
        clause = node.args.get("with_")
        if clause is None:
            return ctes
        visible = dict(ctes)
        references = _references(node)
        for cte in clause.expressions:
            name = cte.alias.lower()
            if clause.args.get("recursive") and _references(cte.this)[name]:
                raise NotTakenApart("recursive CTE")
            if cte.args["alias"].columns:
                raise NotTakenApart("CTE with column names")
            visible[name] = _Cte(cte.this, outer, dict(visible), references[name])
        return visible

    def _set_operation(self, node: exp.SetOperation, outer: Scope | None, ctes: Mapping[str, _Cte]) -> Built:
        if node.args.get("by_name") or node.args.get("match_by") or node.args.get("on") or node.args.get("side"):
            raise NotTakenApart("set operation by name")
        left = self._query(node.this, outer, ctes)
        right = self._query(node.expression, outer, ctes)
        if len(left.outputs) != len(right.outputs):
            raise NotTakenApart("set operation of different widths")
        kind = {exp.Union: "union", exp.Intersect: "intersect", exp.Except: "except"}[type(node)]
        names = tuple(self._names.fresh(text) for text, _ in left.outputs)
        plan: LogicalPlan = SetOp(
            self._exactly(left), self._exactly(right), kind, all=not node.args.get("distinct"), columns=names
        )
        built = Built(plan, tuple((text, name) for (text, _), name in zip(left.outputs, names, strict=True)))
        keys = [self._output_key(ordered, built) for ordered in order_keys(node)]
        plan = Sort(plan, tuple(keys)) if keys else plan
        return Built(limited(plan, node), built.outputs)

    def _exactly(self, built: Built) -> LogicalPlan:
        wanted = tuple(name for _, name in built.outputs)
        if built.plan.names == wanted:
            return built.plan
        return Project(built.plan, tuple(NamedExpr(self._names.fresh(text), col(name)) for text, name in built.outputs))

    def _output_key(self, ordered: exp.Ordered, built: Built) -> SortKey:
        key = ordered.this
        if isinstance(key, exp.Literal) and not key.is_string:
            name = built.outputs[int(key.name) - 1][1]
        elif isinstance(key, exp.Column):
            name = {text.lower(): unique for text, unique in reversed(built.outputs)}.get(key.name.lower(), "")
        else:
            name = ""
        if not name:
            raise NotTakenApart("ordering of a set operation by an expression")
        return sort_key(ordered, col(name))

    def _select(self, node: exp.Select, outer: Scope | None, ctes: Mapping[str, _Cte]) -> Built:
        unknown = {name for name, value in node.args.items() if value and name not in _SELECT_PARTS}
        if unknown:
            raise NotTakenApart(f"SELECT with {sorted(unknown)}")
        scope = Scope(outer)
        plan = self._from(node, scope, ctes)
        where = node.args.get("where")
        if where is not None:
            plan = Filter(plan, self._expr(where.this, scope, ctes))
        select = SelectBuilder(
            node, scope, lambda expr: self._expr(expr, scope, ctes), self._names.fresh, self._aggregates
        )
        return select.finish(plan)

    def _from(self, node: exp.Select, scope: Scope, ctes: Mapping[str, _Cte]) -> LogicalPlan:
        clause = node.args.get("from_")
        if clause is None:
            return Values((), ((),))
        plan = self._relation(clause.this, scope, ctes)
        for join in [*(node.args.get("joins") or [])]:
            plan = self._join(plan, join, scope, ctes)
        return plan

    def _relation(self, node: exp.Expr, scope: Scope, ctes: Mapping[str, _Cte]) -> LogicalPlan:
        if node.args.get("sample") or node.args.get("pivots") or node.args.get("laterals"):
            raise NotTakenApart("sample, pivot or lateral")
        if isinstance(node, exp.Paren | exp.Subquery) and isinstance(node.this, exp.Table | exp.Subquery | exp.Paren):
            plan = self._relation(node.this, scope, ctes)
        elif isinstance(node, exp.Table) and isinstance(node.this, exp.Identifier):
            plan = self._table(node, scope, ctes)
        elif isinstance(node, exp.Subquery):
            built = self._query(node.this, scope.outer, ctes)
            plan = self._exactly(built) if built.plan.names != tuple(n for _, n in built.outputs) else built.plan
            scope.add(node.alias, dict(zip((text for text, _ in built.outputs), plan.names, strict=True)))
        elif isinstance(node, exp.Values):
            plan = self._values(node, scope, ctes)
        else:
            raise NotTakenApart(f"{type(node).__name__} in FROM")
        for join in node.args.get("joins") or []:
            plan = self._join(plan, join, scope, ctes)
        return plan

    def _table(self, node: exp.Table, scope: Scope, ctes: Mapping[str, _Cte]) -> LogicalPlan:
        cte = ctes.get(node.name.lower())
        if cte is not None:
            plan, outputs = self._cte(cte, node.name)
            scope.add(node.alias or node.name, dict(zip(outputs, plan.names, strict=True)))
            return plan
        if node.name not in self._tables:
            raise NotTakenApart(f"table {node.name}")
        handle, columns = self._tables[node.name]
        aliases = tuple(self._names.fresh(c.name) for c in columns)
        scope.add(node.alias or node.name, {c.name: a for c, a in zip(columns, aliases, strict=True)})
        return Scan(handle, columns, aliases)

    def _cte(self, cte: _Cte, name: str) -> tuple[LogicalPlan, tuple[str, ...]]:
        """The CTE's plan under fresh column names where several places read it, as it is where one does."""
        if cte.references <= 1:
            built = self._query(cte.query, cte.outer, cte.visible)
            return self._exactly(built), tuple(text for text, _ in built.outputs)
        if cte.shared is None:
            built = self._query(cte.query, cte.outer, cte.visible)
            cte.outputs = tuple(text for text, _ in built.outputs)
            cte.shared = Collect(self._exactly(built), self._names.fresh(f"cte_{name}"))
        renamed = Rename(cte.shared, tuple(self._names.fresh(text) for text in cte.outputs))
        return renamed, cte.outputs

    def _values(self, node: exp.Values, scope: Scope, ctes: Mapping[str, _Cte]) -> LogicalPlan:
        alias = node.args.get("alias")
        if alias is None or not alias.columns:
            raise NotTakenApart("VALUES without column names")
        texts = [c.name for c in alias.columns]
        names = tuple(self._names.fresh(text) for text in texts)
        rows = tuple(tuple(self._expr(v, scope, ctes) for v in row.expressions) for row in node.expressions)
        if any(len(row) != len(names) for row in rows):
            raise NotTakenApart("VALUES of different widths")
        scope.add(node.alias, dict(zip(texts, names, strict=True)))
        return Values(names, rows)

    def _join(self, left: LogicalPlan, join: exp.Join, scope: Scope, ctes: Mapping[str, _Cte]) -> LogicalPlan:
        if (
            join.args.get("method")
            or join.args.get("using")
            or join.args.get("global_")
            or join.args.get("match_condition")
        ):
            raise NotTakenApart("join with a method or USING")
        right = self._relation(join.this, scope, ctes)
        on = join.args.get("on")
        kind, side = (join.kind or "").upper(), (join.side or "").upper()
        if kind not in ("", "INNER", "OUTER", "CROSS", "SEMI", "ANTI") or (
            kind in ("SEMI", "ANTI") and side not in ("", "LEFT")
        ):
            raise NotTakenApart(f"{side} {kind} join")
        if on is None and kind in ("", "INNER", "CROSS") and not side:
            return Join(left, right, "cross")
        if on is None:
            raise NotTakenApart("outer join without a condition")
        name = kind.lower() if kind in ("SEMI", "ANTI") else (side.lower() or "inner")
        return Join(left, right, name, self._expr(on, scope, ctes))

    def _expr(self, expr: exp.Expr, scope: Scope, ctes: Mapping[str, _Cte]) -> exp.Expr:
        """`expr` over the plan's column names, its subqueries as Subplans."""
        holder = exp.Paren(this=_unwrap(expr.copy()))
        stack: list[exp.Expr] = [holder.this]
        while stack:
            node = stack.pop()
            if isinstance(node, exp.Query):
                plan = self._subplan(node, scope, ctes)
                target = node.parent if isinstance(node.parent, exp.Subquery) else node
                if isinstance(target.parent, exp.Exists):
                    plan = Project(plan, (NamedExpr(self._names.fresh("exists"), exp.Literal.number(1)),))
                target.replace(Subplan(plan=plan))
            elif isinstance(node, exp.Column):
                if not node.table:
                    raise NotTakenApart(f"{node.name} is not qualified")
                node.replace(col(scope.resolve(node.table, node.name)))
            elif isinstance(node, exp.Star | exp.Lambda | exp.Placeholder | exp.Parameter | exp.Collate):
                raise NotTakenApart(type(node).__name__)  # a collation changes what is equal, which no Exchange knows
            elif isinstance(node, _BARE_WORDS):
                raise NotTakenApart("a word that is a function or a column")
            elif makes_rows(node):
                raise NotTakenApart("a function that makes rows")
            else:
                stack.extend(node.iter_expressions())
        result: exp.Expr = holder.this
        result.pop()
        return result

    def _subplan(self, node: exp.Expr, scope: Scope, ctes: Mapping[str, _Cte]) -> LogicalPlan:
        inner = node.this if isinstance(node, exp.Subquery) and not _clauses(node) else node
        return self._exactly(self._query(inner, scope, ctes))


@dataclass
class _Cte:
    """A CTE and what its query may name; `shared` is its plan once two places read it."""

    query: exp.Expr
    outer: Scope | None
    visible: Mapping[str, _Cte]
    references: int
    shared: Collect | None = None
    outputs: tuple[str, ...] = ()


def _clauses(node: exp.Expr) -> bool:
    return any(node.args.get(part) for part in ("order", "limit", "offset", "with_", "joins", "pivots", "sample"))


def _unwrap(expr: exp.Expr) -> exp.Expr:
    while isinstance(expr, exp.Paren):
        expr = expr.this
    return expr


def _references(node: exp.Expr) -> Counter[str]:
    """How often each name stands for a table below `node`."""
    return Counter(t.name.lower() for t in node.find_all(exp.Table) if not t.db)
