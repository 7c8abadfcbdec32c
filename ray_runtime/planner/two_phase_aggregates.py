"""Aggregates in two phases, through the kernel's exported states.

::

    HashAggregateExec single keys=[k] [avg(x) AS a]

    HashAggregateExec final keys=[k] [finalize(combine_aggr(to_aggregate_state(a, 'avg', ['DOUBLE']))) AS a]
      HashAggregateExec partial keys=[k] [EXPORT_STATE(avg(x)) AS a]

Of grouping sets, as ROLLUP has them, one that has all keys is computed from the rows, and the others from its states::

    HashAggregateExec merge sets=((), (0,), (0, 1)) [combine_aggr(...) AS a]
      HashAggregateExec partial keys=[j, k] [EXPORT_STATE(avg(x)) AS a]

Aggregates without a state that can travel, and those whose order matters, stay whole and get their raw rows by group
key. So do those of which a sample says that a task's rows are hardly fewer once they are grouped; a DISTINCT of such
rows becomes an aggregate in one phase, too. DISTINCT aggregates over one argument are de-duplicated before they are
sent.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace

from sqlglot import exp

from engine.cache import LruCache
from engine.cancellation import require_answer
from engine.errors import GrismError
from engine.kernel import quote
from engine.logical.columns import substitute
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
from ray_runtime.planner.aggregate_calls import AggregateCall, aggregate_call, constant
from ray_runtime.planner.aggregates import aggregate as known_aggregate
from ray_runtime.planner.column_types import ColumnTypes
from ray_runtime.planner.names import Names
from ray_runtime.planner.sampling import GroupSampler
from ray_runtime.planner.tree import rewrite_up

__all__ = ["two_phase_aggregates"]

_GROUPING = ("grouping", "grouping_id")
_MAX_GROUPED = 60  # keys whose sets one number can tell


def two_phase_aggregates(root: PhysicalOperator, types: ColumnTypes, sampler: GroupSampler) -> PhysicalOperator:
    """The plan with each aggregate that gains by it in a partial and a final phase; same rows, names and types."""
    phases = _Phases(types, sampler, Names(root))

    def rule(node: PhysicalOperator, parent: PhysicalOperator | None) -> PhysicalOperator:
        del parent
        if isinstance(node, HashAggregateExec) and node.mode is AggregateMode.SINGLE:
            return phases.split(node)
        return phases.distinct(node) if isinstance(node, DistinctExec) and not node.on else node

    return rewrite_up(root, rule)


@dataclass(frozen=True)
class _Phase:
    """Of an aggregate: its `state` in a task, what makes one state of several, and what makes the value of them."""

    state: NamedExpr
    merge: exp.Expr
    final: exp.Expr


class _Phases:
    def __init__(self, types: ColumnTypes, sampler: GroupSampler, names: Names) -> None:
        self._types = types
        self._kernel = types.kernel
        self._sampler = sampler
        self._names = names

    def distinct(self, node: DistinctExec) -> PhysicalOperator:
        """`node` as it is where tasks gain by dropping their own duplicates first, else grouped in one phase."""
        keys = tuple(NamedExpr(name, col(name)) for name in node.schema)
        if self._sampler.shrinks(node.input, [k.expr for k in keys]):
            return node
        return HashAggregateExec(node.input, keys, ())

    def split(self, node: HashAggregateExec) -> PhysicalOperator:
        node = self._deduplicate(node)
        if isinstance(node.input, DistinctExec) and not node.input.on:
            node = replace(node, input=self.distinct(node.input))
        grouped_once = node.keys and node.grouping_sets is None
        if grouped_once and not self._sampler.shrinks(node.input, [k.expr for k in node.keys]):
            return node
        if node.grouping_sets is not None and not _told_by_a_number(node, node.grouping_sets):
            return node
        columns = _columns_below(node, self._types)
        if columns is None:
            return node
        types = {column.name: column.type for column in columns}
        states: list[_Phase] = []
        for aggregate in node.aggregates:
            call = aggregate_call(aggregate.expr)
            if call.name in _GROUPING:
                continue
            merge = known_aggregate(call.name).merge
            if not call.plain or merge == "rows":
                return node
            if merge == "value" and len(call.arguments) == 1:
                # The same aggregate over its own partial values needs no state.
                again = exp.Anonymous(this=call.name, expressions=[col(aggregate.name)])
                states.append(_Phase(aggregate, again, again))
                continue
            merging = self._merging_exprs(aggregate, *_alike(aggregate.expr, types, columns))
            if merging is None:
                return node
            states.append(_Phase(NamedExpr(aggregate.name, _export_state(aggregate.expr)), *merging))
        return self._two_phases(node, states)

    def _two_phases(self, node: HashAggregateExec, states: list[_Phase]) -> PhysicalOperator:
        group_keys = [NamedExpr(k.name, col(k.name)) for k in node.keys]
        finals = [NamedExpr(phase.state.name, phase.final) for phase in states]
        groupings = [a for a in node.aggregates if aggregate_call(a.expr).name in _GROUPING]
        items: dict[str, exp.Expr] = {name: col(name) for name in node.schema}
        if node.grouping_sets is not None:
            # A key outside of its set is NULL like a real NULL: the set itself is part of the group.
            number = exp.Anonymous(this="grouping", expressions=[k.expr.copy() for k in node.keys])
            groupings = [NamedExpr(self._names.fresh("set"), number), *groupings]
            group_keys += [NamedExpr(g.name, col(g.name)) for g in groupings]
        else:
            # There is one set, in which all keys are.
            items |= {g.name: exp.cast(exp.Literal.number(0), "BIGINT") for g in groupings}
        partial = _partial(node, states, groupings if node.grouping_sets is not None else [])
        final = HashAggregateExec(partial, tuple(group_keys), tuple(finals), None, AggregateMode.FINAL)
        if final.schema == node.schema:
            return final
        return ProjectExec(final, tuple(NamedExpr(name, item) for name, item in items.items()))

    def _merging_exprs(
        self, aggregate: NamedExpr, asked: exp.Expr, columns: RowType
    ) -> tuple[exp.Expr, exp.Expr] | None:
        """The expressions that merge the states of `aggregate` to one, and to its value; None where they do not merge.

        The kernel is `asked` about an expression like the aggregate's, over `columns`.
        """
        key = (id(self._kernel), asked.sql("duckdb"), columns)
        known = _MERGINGS.get(key)
        if known is None:
            known = (self._probe(asked, aggregate_call(asked), columns),)
            _MERGINGS.put(key, known)
        if known[0] is None:
            return None
        state, value = (exp.Var(this=text.format(column=quote(aggregate.name))) for text in known[0])
        return state, value

    def _deduplicate(self, node: HashAggregateExec) -> HashAggregateExec:
        """``count(DISTINCT x)`` by k is ``count(x)`` by k over the distinct (k, x); so for all aggregates of one x."""
        if node.grouping_sets is not None or not node.aggregates:
            return node
        calls = [aggregate_call(a.expr) for a in node.aggregates]
        for aggregate, call in zip(node.aggregates, calls, strict=True):
            values = call.arguments[:1]
            alone = not isinstance(aggregate.expr, exp.Filter) and not aggregate.expr.find(exp.Order)
            if not call.distinct or not alone or values != calls[0].arguments[:1]:
                return node
            if any(constant(a) is None for a in call.arguments[1:]) or isinstance(values[0], exp.Distinct):
                return node
        value = self._names.fresh("value")
        keys = tuple(NamedExpr(self._names.fresh("key"), k.expr) for k in node.keys)
        distinct = DistinctExec(ProjectExec(node.input, (*keys, NamedExpr(value, calls[0].arguments[0]))))
        aggregates = tuple(
            NamedExpr(a.name, exp.Anonymous(this=call.name, expressions=[col(value), *_copies(call.arguments[1:])]))
            for a, call in zip(node.aggregates, calls, strict=True)
        )
        renamed = tuple(NamedExpr(k.name, col(key.name)) for k, key in zip(node.keys, keys, strict=True))
        return HashAggregateExec(distinct, renamed, aggregates)

    def _probe(self, asked: exp.Expr, call: AggregateCall, columns: RowType) -> tuple[str, str] | None:
        """The merging expressions with a hole for the column, tried out on the kernel's binder."""
        constants = [None if a.find(exp.Column) else constant(a) or "" for a in call.arguments]
        if "" in constants or sum(c is not None for c in constants) > 1:
            return None  # what is no column is the same for all rows, and has to be told to who merges the states
        named = tuple(NamedExpr(f"a{i}", a) for i, a in enumerate(call.arguments))
        try:
            types = [c.type for c in build_project_schema(named, columns, self._kernel)] if named else []
            wanted = self._type(asked, columns)
        except GrismError as error:
            require_answer(error)
            return None
        if any(not travels(kind) or leaving_type(kind, Boundary.KERNEL) != kind for kind in types):
            return None  # nothing could say what such a value in a state was
        for _ in range(2):
            state = _merge_text(call.name, types, constants)
            final = f"finalize({state})"
            try:
                found = self._bound_type(asked, final, columns)
            except GrismError as error:
                require_answer(error)
                bound, told, _ = str(error).partition("bound=[")[2].partition("] requested")
                if not told or not types:
                    return None
                types = _split_types(bound)
                continue
            return state, final if found == wanted else f"CAST({final} AS {wanted})"
        return None

    def _type(self, call: exp.Expr, columns: RowType) -> str:
        whole = HashAggregateExec(EmptyExec(columns), (), (NamedExpr("v", call),))
        return operator_columns(whole, self._kernel)[0].type

    def _bound_type(self, call: exp.Expr, final: str, columns: RowType) -> str:
        partial = HashAggregateExec(
            EmptyExec(columns), (), (NamedExpr("v", _export_state(call)),), mode=AggregateMode.PARTIAL
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


_MERGINGS: LruCache[tuple[object, ...], tuple[tuple[str, str] | None]] = LruCache(1024)


def _partial(node: HashAggregateExec, states: list[_Phase], groupings: list[NamedExpr]) -> HashAggregateExec:
    """What each task does with its rows of `node`; `groupings` tell the sets from each other."""
    partials = tuple(phase.state for phase in states)
    sets = node.grouping_sets
    if sets is None or not any(set(members) == set(range(len(node.keys))) for members in sets):
        return replace(node, aggregates=(*partials, *groupings), mode=AggregateMode.PARTIAL)
    all_keys = replace(node, aggregates=partials, grouping_sets=None, mode=AggregateMode.PARTIAL)
    merges = tuple(NamedExpr(phase.state.name, phase.merge) for phase in states)
    keys = {k.expr.name: k.name for k in node.keys}
    renamed = tuple(
        NamedExpr(g.name, substitute(g.expr, {old: col(new) for old, new in keys.items()})) for g in groupings
    )
    named = tuple(NamedExpr(k.name, col(k.name)) for k in node.keys)
    return HashAggregateExec(all_keys, named, (*merges, *renamed), sets, AggregateMode.MERGE)


def _told_by_a_number(node: HashAggregateExec, sets: tuple[tuple[int, ...], ...]) -> bool:
    """Whether ``GROUPING(keys)`` tells each of the sets from the others."""
    return len(node.keys) <= _MAX_GROUPED and len(set(map(frozenset, sets))) == len(sets)


def _copies(exprs: Iterable[exp.Expr]) -> list[exp.Expr]:
    return [e.copy() for e in exprs]


def _export_state(call: exp.Expr) -> exp.Expr:
    return exp.Anonymous(this=EXPORT_STATE, expressions=[call.copy()])


def _merge_text(name: str, types: list[str], constants: list[str | None]) -> str:
    quoted = "[" + ", ".join("'" + t.replace("'", "''") + "'" for t in types) + "]::VARCHAR[]"
    fourth = f", [{', '.join(c or 'NULL' for c in constants)}]" if any(constants) else ""
    escaped = (quoted + fourth).replace("{", "{{").replace("}", "}}")
    return f"combine_aggr(to_aggregate_state({{column}}, '{name}', {escaped}))"


def _split_types(text: str) -> list[str]:
    """Types in a list, of which some have commas in brackets."""
    parts, depth, start = [], 0, 0
    for i, character in enumerate(text):
        depth += (character in "([") - (character in ")]")
        if character == "," and depth == 0:
            parts.append(text[start:i].strip())
            start = i + 1
    return [*parts, text[start:].strip()]


def _columns_below(node: HashAggregateExec, types: ColumnTypes) -> RowType | None:
    """The types of the aggregate's input; None where a state stands among them."""
    try:
        columns = types.of(node.input)
    except GrismError as error:
        require_answer(error)
        return None
    return None if any("AGGREGATE_STATE" in c.type for c in columns) else tuple(Column(c.name, c.type) for c in columns)
