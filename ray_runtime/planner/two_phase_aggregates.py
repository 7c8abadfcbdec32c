"""Pass 6: aggregates in two phases, through the kernel's exported states.

::

    HashAggregateExec single keys=[k] [avg(x) AS a]

    HashAggregateExec final keys=[k] [finalize(combine_aggr(to_aggregate_state(a, 'avg', ['DOUBLE']))) AS a]
      HashAggregateExec partial keys=[k] [EXPORT_STATE(avg(x)) AS a]

Aggregates without a state that can travel, and those whose order matters, stay whole and get their raw rows by group
key. So do those of which a sample says that a task's rows are hardly fewer once they are grouped; a DISTINCT of such
rows becomes an aggregate in one phase, too. DISTINCT aggregates over one argument are de-duplicated before they are
sent.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

from sqlglot import exp

from engine.cache import LruCache
from engine.errors import GrismError
from engine.kernel import Kernel
from engine.logical.columns import function_name, has_subplan
from engine.logical.nodes import NamedExpr, col
from engine.operators import (
    EXPORT_STATE,
    AggregateMode,
    DistinctExec,
    EmptyExec,
    HashAggregateExec,
    ProjectExec,
)
from engine.operators.sql import identifier
from engine.physical import PhysicalOperator
from engine.schema import Column, RowType
from engine.schema_inference import build_project_schema, operator_columns
from engine.travel_types import Boundary, leaving_type, travels
from ray_runtime.planner.sampling import GroupSampler
from ray_runtime.planner.tree import rewrite_up

__all__ = ["two_phase_aggregates"]

_GROUPING = ("grouping", "grouping_id")
_SELF_MERGING = frozenset({"min", "max", "bool_and", "bool_or", "bit_and", "bit_or", "bit_xor"})
_SET = "__set"
_VALUE = "__value"


def two_phase_aggregates(root: PhysicalOperator, kernel: Kernel, sampler: GroupSampler) -> PhysicalOperator:
    """The plan with each aggregate that gains by it in a partial and a final phase; same rows, names and types."""
    phases = _Phases(kernel, sampler)

    def rule(node: PhysicalOperator, parent: PhysicalOperator | None) -> PhysicalOperator:
        del parent
        if isinstance(node, HashAggregateExec) and node.mode is AggregateMode.SINGLE:
            return phases.split(node)
        return phases.distinct(node) if isinstance(node, DistinctExec) else node

    return rewrite_up(root, rule)


class _Phases:
    def __init__(self, kernel: Kernel, sampler: GroupSampler) -> None:
        self._kernel = kernel
        self._sampler = sampler

    def distinct(self, node: DistinctExec) -> PhysicalOperator:
        """`node` as it is where tasks gain by dropping their own duplicates first, else grouped in one phase."""
        keys = tuple(NamedExpr(name, col(name)) for name in node.schema)
        if self._sampler.shrinks(node.input, [k.expr for k in keys]):
            return node
        return HashAggregateExec(node.input, keys, ())

    def split(self, node: HashAggregateExec) -> PhysicalOperator:
        if any(has_subplan(e.expr) for e in node.keys + node.aggregates):
            return node
        node = _deduplicated(node)
        if isinstance(node.input, DistinctExec):
            node = replace(node, input=self.distinct(node.input))
        grouped_once = node.keys and node.grouping_sets is None
        if grouped_once and not self._sampler.shrinks(node.input, [k.expr for k in node.keys]):
            return node
        columns = _columns_below(node, self._kernel)
        if columns is None:
            return node
        if node.grouping_sets is not None and len(set(map(frozenset, node.grouping_sets))) != len(node.grouping_sets):
            return node
        types = {column.name: column.type for column in columns}
        states: list[tuple[NamedExpr, exp.Expr]] = []
        for aggregate in node.aggregates:
            if function_name(aggregate.expr) in _GROUPING:
                states.append((aggregate, col(aggregate.name)))
                continue
            repeated = _repeated(aggregate)
            if repeated is not None:
                states.append((aggregate, repeated))
                continue
            final = self._final(aggregate, *_alike(aggregate.expr, types, columns))
            if final is None:
                return node
            states.append((NamedExpr(aggregate.name, _exported(aggregate.expr)), final))
        return self._two_phases(node, states)

    def _two_phases(self, node: HashAggregateExec, states: list[tuple[NamedExpr, exp.Expr]]) -> PhysicalOperator:
        partials = [state for state, _ in states]
        group_keys = [NamedExpr(k.name, col(k.name)) for k in node.keys]
        finals = [NamedExpr(state.name, final) for state, final in states]
        if node.grouping_sets is not None:
            # A key outside of its set is NULL like a real NULL: the set itself is part of the group.
            number = exp.Anonymous(this="grouping", expressions=[k.expr.copy() for k in node.keys])
            partials.append(NamedExpr(_SET, number))
            group_keys.append(NamedExpr(_SET, col(_SET)))
            for state, _ in states:
                if function_name(state.expr) in _GROUPING:
                    group_keys.append(NamedExpr(state.name, col(state.name)))
            finals = [f for f in finals if not isinstance(f.expr, exp.Column)]
        partial = replace(node, aggregates=tuple(partials), mode=AggregateMode.PARTIAL)
        final = HashAggregateExec(partial, tuple(group_keys), tuple(finals), None, AggregateMode.FINAL)
        if final.schema == node.schema:
            return final
        return ProjectExec(final, tuple(NamedExpr(n, col(n)) for n in node.schema))

    def _final(self, aggregate: NamedExpr, asked: exp.Expr, columns: RowType) -> exp.Expr | None:
        """The expression that merges the states of `aggregate`, or None where they cannot be merged.

        The kernel is `asked` about an expression like the aggregate's, over `columns`.
        """
        call = asked
        while isinstance(call, exp.Filter):
            call = call.this
        if not isinstance(call, exp.Func) or call.find(exp.Distinct, exp.Order, exp.WithinGroup) is not None:
            return None
        if isinstance(call, exp.IgnoreNulls | exp.RespectNulls):
            return None
        arguments: list[exp.Expr] = [a for a in call.iter_expressions() if not isinstance(a, exp.Star)]
        named = tuple(NamedExpr(f"a{i}", a) for i, a in enumerate(arguments))
        text = call.sql("duckdb")
        name = text.partition("(")[0].strip().lower()
        key = (id(self._kernel), asked.sql("duckdb"), columns)
        known = _FINALS.get(key)
        if known is None:
            known = (self._probe(asked, name, arguments, named, columns),)
            _FINALS.put(key, known)
        final = known[0]
        return None if final is None else exp.Var(this=final.format(column=f'"{aggregate.name}"'))

    def _probe(
        self,
        call: exp.Expr,
        name: str,
        arguments: list[exp.Expr],
        named: tuple[NamedExpr, ...],
        columns: RowType,
    ) -> str | None:
        """The merging expression with a hole for the column, tried out on the kernel's binder."""
        try:
            types = [c.type for c in build_project_schema(named, columns, self._kernel)] if named else []
            wanted = self._type(call, columns)
        except GrismError:
            return None
        if any(not travels(kind) or leaving_type(kind, Boundary.KERNEL) != kind for kind in types):
            return None  # nothing could say what such a value in a state was
        constants = [a.sql("duckdb") if isinstance(a, exp.Literal | exp.Array) else "NULL" for a in arguments]
        for _ in range(2):
            final = _merging(name, types, constants)
            try:
                found = self._bound_type(call, final, columns)
            except GrismError as error:
                bound, told, _ = str(error).partition("bound=[")[2].partition("] requested")
                if not told or not types:
                    return None
                types = _split_types(bound)
                continue
            return final if found == wanted else f"CAST({final} AS {wanted})"
        return None

    def _type(self, call: exp.Expr, columns: RowType) -> str:
        whole = HashAggregateExec(EmptyExec(columns), (), (NamedExpr("v", call),))
        return operator_columns(whole, self._kernel)[0].type

    def _bound_type(self, call: exp.Expr, final: str, columns: RowType) -> str:
        partial = HashAggregateExec(
            EmptyExec(columns), (), (NamedExpr("v", _exported(call)),), mode=AggregateMode.PARTIAL
        )
        merge = exp.Var(this=final.format(column='"v"'))
        merged = HashAggregateExec(partial, (), (NamedExpr("v", merge),), mode=AggregateMode.FINAL)
        return operator_columns(merged, self._kernel)[0].type


def _alike(expr: exp.Expr, types: Mapping[str, str], columns: RowType) -> tuple[exp.Expr, RowType]:
    """`expr` over names by the order of mention, and the columns of these names only.

    So it does not matter how wide the input is, and of ``sum(a), sum(b), ...`` over one type the kernel is asked once.
    What does not plainly name columns stays over all of `columns`.
    """
    copied = expr.copy()
    names: dict[str, str] = {}
    for column in list(copied.find_all(exp.Column)):
        if column.name not in types or column.table:
            return expr, columns
        column.set("this", identifier(names.setdefault(column.name, f"c{len(names)}")))
    return copied, tuple(Column(new, types[old]) for old, new in names.items())


_FINALS: LruCache[tuple[object, ...], tuple[str | None]] = LruCache(1024)


def _deduplicated(node: HashAggregateExec) -> HashAggregateExec:
    """``count(DISTINCT x)`` by k is ``count(x)`` by k over the distinct (k, x); so for all aggregates of one x."""
    if node.grouping_sets is not None or not node.aggregates:
        return node
    arguments: list[exp.Expr] = []
    for aggregate in node.aggregates:
        inside = list(aggregate.expr.iter_expressions()) if isinstance(aggregate.expr, exp.Func) else []
        if len(inside) != 1 or not isinstance(inside[0], exp.Distinct) or len(inside[0].expressions) != 1:
            return node
        arguments.append(inside[0].expressions[0])
    if any(argument != arguments[0] for argument in arguments):
        return node
    keys = tuple(NamedExpr(f"__k{i}", k.expr) for i, k in enumerate(node.keys))
    distinct = DistinctExec(ProjectExec(node.input, (*keys, NamedExpr(_VALUE, arguments[0]))))
    aggregates = []
    for aggregate in node.aggregates:
        call = aggregate.expr.copy()
        next(iter(call.iter_expressions())).replace(col(_VALUE))
        aggregates.append(NamedExpr(aggregate.name, call))
    renamed = tuple(NamedExpr(k.name, col(key.name)) for k, key in zip(node.keys, keys, strict=True))
    return HashAggregateExec(distinct, renamed, tuple(aggregates))


def _repeated(aggregate: NamedExpr) -> exp.Expr | None:
    """The same aggregate over its own partial values, for those that need no state to be merged."""
    call = aggregate.expr
    while isinstance(call, exp.Filter):
        call = call.this
    arguments = list(call.iter_expressions())
    if function_name(call) not in _SELF_MERGING or len(arguments) != 1:
        return None
    if isinstance(arguments[0], exp.Distinct | exp.Order):
        return None
    return exp.Anonymous(this=function_name(call), expressions=[col(aggregate.name)])


def _exported(call: exp.Expr) -> exp.Expr:
    return exp.Anonymous(this=EXPORT_STATE, expressions=[call.copy()])


def _merging(name: str, types: list[str], constants: list[str]) -> str:
    quoted = "[" + ", ".join("'" + t.replace("'", "''") + "'" for t in types) + "]::VARCHAR[]"
    fourth = f", [{', '.join(constants)}]" if any(c != "NULL" for c in constants) else ""
    escaped = (quoted + fourth).replace("{", "{{").replace("}", "}}")
    return f"finalize(combine_aggr(to_aggregate_state({{column}}, '{name}', {escaped})))"


def _split_types(text: str) -> list[str]:
    """Types in a list, of which some have commas in brackets."""
    parts, depth, start = [], 0, 0
    for i, character in enumerate(text):
        depth += (character in "([") - (character in ")]")
        if character == "," and depth == 0:
            parts.append(text[start:i].strip())
            start = i + 1
    return [*parts, text[start:].strip()]


def _columns_below(node: HashAggregateExec, kernel: Kernel) -> RowType | None:
    """The types of the aggregate's input; None where a state stands among them."""
    try:
        columns = operator_columns(node.input, kernel)
    except GrismError:
        return None
    return None if any("AGGREGATE_STATE" in c.type for c in columns) else tuple(Column(c.name, c.type) for c in columns)
