"""The kernel's bound plan, as logical nodes: one method for each kind of operator.

In a bound plan columns are positions. Here each position has the name of a column of the node that was made: a
projection of plain columns makes no node at all, it only puts the names in another order.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from sqlglot import exp

from engine.logical.columns import conjunction
from engine.logical.nodes import (
    Aggregate,
    Collect,
    Distinct,
    Empty,
    Filter,
    Join,
    Limit,
    LogicalPlan,
    NamedExpr,
    Project,
    Rename,
    Scan,
    SetOp,
    Sort,
    SortKey,
    SqlQuery,
    Unnest,
    Values,
    Window,
    col,
)
from engine.optimizer.prune_columns import narrowest
from engine.schema import Column, RowType
from engine.sql.names import NameAllocator
from engine.sql.plan_reader.constants import constant
from engine.sql.plan_reader.expressions import Expressions
from engine.sql.plan_reader.joins import comparison, is_whole, require_markable, without_mark
from engine.sql.plan_reader.not_read import NotRead
from engine.sql.plan_reader.scans import field_path, scan_filters
from engine.sql.plan_reader.types import type_text
from engine.storage.protocol import TableHandle

__all__ = ["read_plan"]

Json = dict[str, Any]

_JOINS = {
    "INNER": "inner",
    "LEFT": "left",
    "RIGHT": "right",
    "FULL": "full",
    "OUTER": "full",
    "SEMI": "semi",
    "ANTI": "anti",
    "MARK": "mark",
    "SINGLE": "single",
}
_ROW_SOURCES = frozenset({"range", "generate_series", "unnest"})
_WORD = re.compile(r"[A-Za-z_][A-Za-z_0-9]{0,40}")
_ROW_ID = 2**64 - 1  # what a scan asks for whose rows are only counted
_MOST_OPERATORS = 2_000
_MOST_DEPTH = 150


def read_plan(bound: Json, tables: Mapping[str, tuple[str, TableHandle, RowType]]) -> LogicalPlan:
    """The nodes of one bound SELECT; its columns by position.

    `tables` are by their names in the plan, each with its name in the text.

    Raises NotRead where the plan has anything that is not known to mean just what the nodes mean.
    """
    return _Reader(tables).whole(bound)


@dataclass(frozen=True)
class _Rows:
    """What an operator gives: the node, and the name of its column at each position. A name may stand twice."""

    plan: LogicalPlan
    columns: tuple[str, ...]


@dataclass
class _Cte:
    """A common table expression: its rows, and whether several places read them."""

    rows: _Rows
    shared: bool


class _Reader:
    def __init__(self, tables: Mapping[str, tuple[str, TableHandle, RowType]]) -> None:
        self._tables = tables
        self._names = NameAllocator()
        self._ctes: dict[int, _Cte] = {}
        self._readers: Counter[int] = Counter()
        self._operators: dict[str, Callable[[Json], _Rows]] = {
            "LOGICAL_GET": self._get,
            "LOGICAL_DUMMY_SCAN": self._one_row,
            "LOGICAL_EXPRESSION_GET": self._values,
            "LOGICAL_EMPTY_RESULT": self._empty,
            "LOGICAL_FILTER": self._filter,
            "LOGICAL_PROJECTION": self._projection,
            "LOGICAL_AGGREGATE_AND_GROUP_BY": self._aggregate,
            "LOGICAL_WINDOW": self._window,
            "LOGICAL_UNNEST": self._unnest,
            "LOGICAL_LIMIT": self._limit,
            "LOGICAL_ORDER_BY": self._sort,
            "LOGICAL_DISTINCT": self._distinct,
            "LOGICAL_COMPARISON_JOIN": self._comparison_join,
            "LOGICAL_ANY_JOIN": self._any_join,
            "LOGICAL_CROSS_PRODUCT": self._cross_product,
            "LOGICAL_UNION": self._set_operation,
            "LOGICAL_EXCEPT": self._set_operation,
            "LOGICAL_INTERSECT": self._set_operation,
            "LOGICAL_MATERIALIZED_CTE": self._cte,
            "LOGICAL_CTE_REF": self._cte_reference,
        }

    def whole(self, bound: Json) -> LogicalPlan:
        count = 0
        pending = [(bound, 1)]
        while pending:
            node, depth = pending.pop()
            count += 1
            if count > _MOST_OPERATORS or depth > _MOST_DEPTH:
                raise NotRead("more operators than are taken apart")
            if node["type"] == "LOGICAL_CTE_REF":
                self._readers[node.get("cte_index", 0)] += 1
            pending.extend((child, depth + 1) for child in node.get("children", ()))
        plan = self._exactly(self._read(bound))
        if _size(plan) > _MOST_OPERATORS:  # CTEs that read others twice have a plan that doubles with each
            raise NotRead("more operators than are taken apart")
        return plan

    def _read(self, node: Json) -> _Rows:
        read = self._operators.get(node["type"])
        if read is None:
            raise NotRead(f"the operator {node['type']}")
        return read(node)

    # ---- sources

    def _get(self, node: Json) -> _Rows:
        _only(
            node,
            "table_index returned_types names projection_ids table_filters arguments qname has_serialize function_data "
            "positional_arguments parameters named_parameters input_table_types input_table_names projected_input "
            "column_indexes table_filters_by_projection",
        )
        function = node["qname"]["path"][-1]
        if function != "seq_scan":
            return self._row_source(node, function)
        reference, handle, own = self._tables[node["function_data"]["table"]]
        indexes = node["column_indexes"]
        wanted = dict.fromkeys(i for index in indexes if (i := index.get("index", 0)) != _ROW_ID)
        columns = tuple(own[i] for i in wanted) or (narrowest(own),)
        aliases = tuple(self._fresh(c.name) for c in columns)
        plan: LogicalPlan = Scan(handle, columns, aliases, reference=reference)
        plan, positions = self._parts(plan, indexes, {**dict(zip(wanted, aliases, strict=False)), _ROW_ID: ""})
        if node["table_filters"]:
            if not node.get("table_filters_by_projection"):
                raise NotRead("filters of a scan by the table's columns")
            filters = scan_filters(node["table_filters"], positions)
            plan = Filter(plan, conjunction(filters)) if filters else plan
        return _Rows(plan, _map_columns(positions, node["projection_ids"]))

    def _parts(
        self, scan: LogicalPlan, indexes: Sequence[Json], names: Mapping[int, str]
    ) -> tuple[LogicalPlan, tuple[str, ...]]:
        """The columns that a scan gives by position. Some are fields of structs: they come from a projection."""
        positions = []
        fields = []
        for index in indexes:
            name = names[index.get("index", 0)]
            path = field_path(index)
            if path:
                made: exp.Expr = col(name)
                for field in path:
                    made = exp.Anonymous(this="struct_extract", expressions=[made, exp.Literal.string(field)])
                name = self._fresh(path[-1])
                fields.append(NamedExpr(name, made))
            positions.append(name)
        if not fields:
            return scan, tuple(positions)
        return Project(scan, (*(NamedExpr(name, col(name)) for name in scan.names), *fields)), tuple(positions)

    def _row_source(self, node: Json, function: str) -> _Rows:
        """A table function of constants."""
        if function not in _ROW_SOURCES or node.get("children") or node["named_parameters"] or node["table_filters"]:
            raise NotRead(f"the table function {function}")
        made = exp.Anonymous(this=function, expressions=[constant(value) for value in node["parameters"]])
        names = tuple(self._fresh(name) for name in node["names"])
        plan = SqlQuery(f"SELECT * FROM {made.sql('duckdb')}", names)
        positions = tuple(names[index.get("index", 0)] for index in node["column_indexes"])
        return _Rows(plan, _map_columns(positions, node["projection_ids"]))

    def _one_row(self, node: Json) -> _Rows:
        _only(node, "table_index")
        return _Rows(Values((), ((),)), ("",))

    def _values(self, node: Json) -> _Rows:
        _only(node, "table_index expr_types")
        (child,) = node["children"]
        if child["type"] != "LOGICAL_DUMMY_SCAN":
            raise NotRead("VALUES that read columns")
        scalars = Expressions(())
        rows = tuple(tuple(scalars.scalar(value) for value in row) for row in node.get("expressions", ()))
        names = tuple(self._fresh("col") for _ in node["expr_types"])
        return _Rows(Values(names, rows), names)

    def _empty(self, node: Json) -> _Rows:
        _only(node, "return_types bindings")
        columns = tuple(Column(self._fresh("col"), type_text(kind)) for kind in node["return_types"])
        return _Rows(Empty(columns), tuple(c.name for c in columns))

    # ---- row by row

    def _filter(self, node: Json) -> _Rows:
        _only(node, "projection_map")
        below = self._child(node)
        plan = below.plan
        scalars = Expressions(below.columns)
        parts = [scalars.scalar(part) for part in node.get("expressions", ())]
        if isinstance(plan, Join) and plan.mark is not None:
            plan, parts = without_mark(plan, parts)
        if parts:
            plan = Filter(plan, conjunction(parts))
        return _Rows(plan, _map_columns(below.columns, node.get("projection_map")))

    def _projection(self, node: Json) -> _Rows:
        _only(node, "table_index")
        below = self._child(node)
        scalars = Expressions(below.columns)
        items = [(scalars.scalar(item), item) for item in node.get("expressions", ())]
        if all(isinstance(made, exp.Column) for made, _ in items):
            return _Rows(below.plan, tuple(made.name for made, _ in items))
        named: dict[str, NamedExpr] = {}
        positions = []
        for made, item in items:
            # A column that is passed on keeps its name.
            name = made.name if isinstance(made, exp.Column) else self._fresh(item.get("alias", ""))
            named.setdefault(name, NamedExpr(name, made))
            positions.append(name)
        return _Rows(Project(below.plan, tuple(named.values())), tuple(positions))

    def _unnest(self, node: Json) -> _Rows:
        _only(node, "unnest_index")
        below = self._child(node)
        scalars = Expressions(below.columns)
        lists = tuple(
            NamedExpr(self._fresh(e.get("alias", "item")), scalars.unnest_operand(e))
            for e in node.get("expressions", ())
        )
        return _Rows(Unnest(below.plan, lists), below.columns + tuple(e.name for e in lists))

    # ---- groups and windows

    def _aggregate(self, node: Json) -> _Rows:
        _only(
            node,
            "group_index aggregate_index groupings_index groups grouping_sets grouping_functions",
        )
        below = self._child(node)
        inputs = Expressions(below.columns)
        keys, key_names = self._keys(node.get("groups", ()), inputs)
        calls = [
            NamedExpr(self._fresh(call["qname"]["path"][-1]), inputs.aggregate(call))
            for call in node.get("expressions", ())
        ]
        sets = self._grouping_sets(node, len(keys))
        if sets is not None or node.get("grouping_functions"):
            below, keys = self._with_keys(below, keys)
        groupings = [
            NamedExpr(
                self._fresh("grouping"),
                exp.Anonymous(this="grouping", expressions=[keys[i].expr.copy() for i in members]),
            )
            for members in node.get("grouping_functions", ())
        ]
        if groupings and sets is None:
            sets = (tuple(range(len(keys))),)
        if not keys and not calls and not groupings:  # one row, whatever comes in
            calls.append(NamedExpr(self._fresh("count"), exp.Anonymous(this="count_star", expressions=[])))
        aggregates = tuple(calls + groupings)
        distinct = tuple({key.name: key for key in keys}.values())
        if sets is not None and len(distinct) < len(keys):
            raise NotRead("a grouping key that stands twice")
        plan = Aggregate(below.plan, distinct, aggregates, sets)
        return _Rows(plan, key_names + tuple(a.name for a in aggregates))

    def _keys(self, groups: Sequence[Json], inputs: Expressions) -> tuple[list[NamedExpr], tuple[str, ...]]:
        keys = []
        for group in groups:
            made = inputs.scalar(group)
            name = made.name if isinstance(made, exp.Column) else self._fresh(group.get("alias", ""))
            keys.append(NamedExpr(name, made))
        return keys, tuple(key.name for key in keys)

    def _with_keys(self, below: _Rows, keys: list[NamedExpr]) -> tuple[_Rows, list[NamedExpr]]:
        """The input with the keys among its columns, as grouping sets take them, and the keys as these columns."""
        computed = [key for key in keys if not isinstance(key.expr, exp.Column)]
        if not computed:
            return below, keys
        kept = tuple(NamedExpr(name, col(name)) for name in dict.fromkeys(below.columns))
        plan = Project(below.plan, (*kept, *computed))
        return _Rows(plan, below.columns), [NamedExpr(key.name, col(key.name)) for key in keys]

    def _grouping_sets(self, node: Json, keys: int) -> tuple[tuple[int, ...], ...] | None:
        sets = tuple(tuple(sorted(members)) for members in node.get("grouping_sets", ()))
        return None if sets in ((), (tuple(range(keys)),)) else sets

    def _window(self, node: Json) -> _Rows:
        _only(node, "window_index")
        below = self._child(node)
        inputs = Expressions(below.columns)
        functions = tuple(
            NamedExpr(self._fresh(e["qname"]["path"][-1] if "qname" in e else "window"), inputs.window(e))
            for e in node.get("expressions", ())
        )
        return _Rows(Window(below.plan, functions), below.columns + tuple(f.name for f in functions))

    # ---- order

    def _sort(self, node: Json) -> _Rows:
        _only(node, "orders projection_map")
        below = self._child(node)
        plan = Sort(below.plan, _sort_keys(node["orders"], Expressions(below.columns)))
        return _Rows(plan, _map_columns(below.columns, node.get("projection_map")))

    def _limit(self, node: Json) -> _Rows:
        _only(node, "limit_val offset_val")
        below = self._child(node)
        offset = _constant_limit(node["offset_val"]) or 0
        return _Rows(Limit(below.plan, _constant_limit(node["limit_val"]), offset), below.columns)

    def _distinct(self, node: Json) -> _Rows:
        _only(node, "distinct_type distinct_targets order_by")
        below = self._child(node)
        inputs = Expressions(below.columns)
        targets = tuple(inputs.scalar(target) for target in node["distinct_targets"])
        match node["distinct_type"]:
            case "DISTINCT":
                if node.get("order_by"):
                    raise NotRead("DISTINCT in an order")
                if {t.name if isinstance(t, exp.Column) else "" for t in targets} >= set(below.columns):
                    exact = self._exactly(below)
                    return _Rows(Distinct(exact), exact.names)
                # The other columns are made of these, for the order of the rows.
                return _Rows(Distinct(below.plan, targets), below.columns)
            case "DISTINCT_ON":
                order = _sort_keys(node.get("order_by", {}).get("orders", ()), inputs)
                return _Rows(Distinct(below.plan, targets, order), below.columns)
        raise NotRead(f"DISTINCT of the kind {node['distinct_type']}")

    # ---- several inputs

    def _comparison_join(self, node: Json) -> _Rows:
        _only(node, "join_type mark_index conditions mark_types left_projection_map right_projection_map")
        left, right = (self._read(child) for child in node["children"])
        lefts, rights = Expressions(left.columns), Expressions(right.columns)
        both = Expressions(left.columns + right.columns)
        parts = [
            both.scalar(condition["left"]) if is_whole(condition) else comparison(condition, lefts, rights)
            for condition in node.get("conditions", ())
        ]
        return self._join_rows(node, left, right, parts)

    def _any_join(self, node: Json) -> _Rows:
        _only(node, "join_type mark_index condition left_projection_map right_projection_map")
        left, right = (self._read(child) for child in node["children"])
        both = Expressions(left.columns + right.columns)
        return self._join_rows(node, left, right, [both.scalar(node["condition"])])

    def _cross_product(self, node: Json) -> _Rows:
        _only(node, "")
        left, right = (self._read(child) for child in node["children"])
        return _Rows(Join(left.plan, right.plan, "cross"), left.columns + right.columns)

    def _join_rows(self, node: Json, left: _Rows, right: _Rows, parts: list[exp.Expr]) -> _Rows:
        kind = node["join_type"]
        if kind in ("RIGHT_SEMI", "RIGHT_ANTI"):
            return self._join_rows({**node, "join_type": kind.removeprefix("RIGHT_")}, right, left, parts)
        if kind not in _JOINS:
            raise NotRead(f"a {kind} join")
        kept = _map_columns(left.columns, node.get("left_projection_map"))
        others = _map_columns(right.columns, node.get("right_projection_map"))
        if kind == "INNER" and not parts:
            return _Rows(Join(left.plan, right.plan, "cross"), kept + others)
        condition = conjunction(parts or [exp.true()])
        if kind == "MARK":
            require_markable(parts)
            mark = self._fresh("mark")
            return _Rows(Join(left.plan, right.plan, "mark", condition, mark), (*kept, mark))
        plan = Join(left.plan, right.plan, _JOINS[kind], condition)
        return _Rows(plan, kept if kind in ("SEMI", "ANTI") else kept + others)

    def _set_operation(self, node: Json) -> _Rows:
        _only(node, "table_index column_count setop_all allow_out_of_order")
        kind = node["type"].removeprefix("LOGICAL_").lower()
        sides = [self._exactly(self._read(child)) for child in node["children"]]
        everything = node.get("setop_all", True)
        if len(sides) > 2 and not (kind == "union" and everything):
            raise NotRead(f"{kind} of more than two")
        plan = sides[0]
        for side in sides[1:]:
            names = tuple(self._fresh(name) for name in plan.names)
            plan = SetOp(plan, side, kind, everything, names)
        return _Rows(plan, plan.names)

    def _cte(self, node: Json) -> _Rows:
        _only(node, "table_index column_count ctename materialize")
        definition, query = node["children"]
        number = node.get("table_index", 0)
        rows = self._read(definition)
        shared = self._readers[number] > 1
        if shared:
            exact = self._exactly(rows)
            rows = _Rows(Collect(exact, self._fresh(f"cte_{node['ctename']}")), exact.names)
        self._ctes[number] = _Cte(rows, shared)
        return self._read(query)

    def _cte_reference(self, node: Json) -> _Rows:
        _only(node, "table_index cte_index chunk_types bound_columns is_recurring correlated_columns")
        cte = self._ctes.get(node.get("cte_index", 0))
        if cte is None or node.get("is_recurring") or node.get("correlated_columns"):
            raise NotRead("a recursive or correlated CTE")
        if not cte.shared:
            return cte.rows
        names = tuple(self._fresh(name) for name in cte.rows.columns)
        return _Rows(Rename(cte.rows.plan, names), names)

    # ---- names

    def _child(self, node: Json) -> _Rows:
        (child,) = node["children"]
        return self._read(child)

    def _fresh(self, base: str) -> str:
        return self._names.fresh(base if _WORD.fullmatch(base) else "expr")

    def _exactly(self, rows: _Rows) -> LogicalPlan:
        """A node that gives just these columns, in this order, each under a name of its own."""
        if rows.plan.names == rows.columns and len(set(rows.columns)) == len(rows.columns):
            return rows.plan
        seen: set[str] = set()
        items = []
        for name in rows.columns:
            items.append(NamedExpr(self._fresh(name) if name in seen else name, col(name)))
            seen.add(name)
        return Project(rows.plan, tuple(items))


def _size(plan: LogicalPlan) -> int:
    """How many nodes a plan has as a tree: what several places read counts for each."""
    known: dict[int, int] = {}
    stack = [plan]
    while stack:
        node = stack[-1]
        children = node.children
        below = [child for child in children if id(child) not in known]
        stack.extend(below)
        if not below:
            stack.pop()
            known[id(node)] = 1 + sum([known[id(child)] for child in children])
    return known[id(plan)]


def _only(node: Json, known: str) -> None:
    """Raise NotRead where the operator says something of which nothing is known here."""
    unknown = node.keys() - {"type", "children", "expressions", "estimated_cardinality"} - set(known.split())
    if unknown:
        raise NotRead(f"{node['type']} with {', '.join(sorted(unknown))}")


def _map_columns(columns: tuple[str, ...], positions: Sequence[int] | None) -> tuple[str, ...]:
    return tuple(columns[i] for i in positions) if positions else columns


def _constant_limit(value: Json) -> int | None:
    match value["type"]:
        case "UNSET":
            return None
        case "CONSTANT_VALUE":
            return int(value.get("constant_integer", 0))
    raise NotRead(f"LIMIT by {value['type']}")


def _sort_keys(orders: Iterable[Json], inputs: Expressions) -> tuple[SortKey, ...]:
    return tuple(inputs.sort_key(order) for order in orders)
