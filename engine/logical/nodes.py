"""LogicalPlan: what to compute, as frozen dataclasses.

A plan is a tree of nodes; each says what rows it gives and nothing about how. Column names inside one plan are unique
across the whole plan (the reader sees to it), so expressions name columns without a table. They hold no subqueries:
the kernel's binder has made joins of them. Expressions are sqlglot's, dialect duckdb, and are never changed in place.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from operator import attrgetter, is_, itemgetter
from typing import Any, ClassVar, TypeVar

import pyarrow as pa
import sqlglot
from sqlglot import exp

from engine.literals import literal
from engine.schema import Column
from engine.shared_nodes import field_names, once
from engine.storage.protocol import TableHandle

__all__ = [
    "Aggregate",
    "Collect",
    "Distinct",
    "Empty",
    "Filter",
    "Join",
    "JoinKind",
    "Limit",
    "LogicalPlan",
    "NamedExpr",
    "Project",
    "Rename",
    "Scan",
    "SetOp",
    "Sort",
    "SortKey",
    "SqlQuery",
    "Unnest",
    "Values",
    "Window",
    "col",
    "field_names",
    "in_operators",
    "lit",
    "walk",
]

JoinKind = str  # one of Join.KINDS


def col(name: str) -> exp.Column:
    """A column by name; ``col("age") > 21`` is an expression."""
    return exp.column(exp.to_identifier(name, quoted=True))


_LOWEST = {-(2**31): "INTEGER", -(2**63): "BIGINT"}  # whose digits, without the sign, are of the next larger type


def lit(value: Any) -> exp.Expr:
    """A constant from a Python value or an Arrow scalar, with the type that it has: a float is a DOUBLE.

    Raises UnsupportedError for types without a counterpart in the kernel.
    """
    if isinstance(value, int) and value in _LOWEST:
        return exp.cast(exp.convert(value), _LOWEST[value], dialect="duckdb")
    if value is None or isinstance(value, bool | int | str):
        return exp.convert(value)
    scalar = value if isinstance(value, pa.Scalar) else pa.scalar(value)
    return sqlglot.parse_one(literal(scalar), dialect="duckdb")


@dataclass(frozen=True)
class NamedExpr:
    """An expression and the name of the column that it becomes."""

    name: str
    expr: exp.Expr


@dataclass(frozen=True)
class SortKey:
    """One key of an ordering; `nulls_first` is always explicit."""

    expr: exp.Expr
    descending: bool = False
    nulls_first: bool = False


_name_of = attrgetter("name")


class LogicalPlan:
    """The base of all nodes. Children are the fields that are plans."""

    @property
    def names(self) -> tuple[str, ...]:
        """The names of the columns that this node gives, in order."""
        raise NotImplementedError

    @property
    def children(self) -> tuple[LogicalPlan, ...]:
        """The inputs, left to right."""
        # Not what is noted on the node, which other threads do while this one walks the plan.
        return tuple([v for name in field_names(self) if isinstance(v := getattr(self, name), LogicalPlan)])

    def with_children(self, children: tuple[LogicalPlan, ...]) -> LogicalPlan:
        """The same node over other inputs."""
        own = {name: v for name in field_names(self) if isinstance(v := getattr(self, name), LogicalPlan)}
        if len(own) != len(children):
            raise ValueError(f"{type(self).__name__} has {len(own)} inputs, {len(children)} were given")
        if all(map(is_, own.values(), children)):
            return self
        return replace(self, **dict(zip(own, children, strict=True)))  # type: ignore[type-var]


class _Leaf(LogicalPlan):
    """A node without inputs."""

    @property
    def children(self) -> tuple[LogicalPlan, ...]:
        return ()

    def with_children(self, children: tuple[LogicalPlan, ...]) -> LogicalPlan:
        if children:
            raise ValueError(f"{type(self).__name__} has no inputs, {len(children)} were given")
        return self


def _require_unique(node: LogicalPlan) -> None:
    seen: set[str] = set()
    for name in node.names:
        if name in seen:
            raise ValueError(f"{type(node).__name__} gives the column {name!r} twice")
        seen.add(name)


@dataclass(frozen=True)
class Scan(_Leaf):
    """Columns of one table version. `filter` and `limit` are pushed down by the optimizer.

    `columns` names the table's columns in order with their kernel types; `aliases` names the columns that the plan
    sees, position by position. `filter` is written over the aliases. `reference` is the name by which the statement's
    text reads the table.
    """

    table: TableHandle
    columns: tuple[Column, ...]
    aliases: tuple[str, ...]
    filter: exp.Expr | None = None
    limit: int | None = None
    reference: str = ""

    def __post_init__(self) -> None:
        if len(self.columns) != len(self.aliases):
            raise ValueError("Scan needs one alias for each column")
        _require_unique(self)

    @property
    def names(self) -> tuple[str, ...]:
        return self.aliases


@dataclass(frozen=True)
class Values(_Leaf):
    """Rows of constants. Without columns it is one row of none, the input of ``SELECT 1``."""

    columns: tuple[str, ...]
    rows: tuple[tuple[exp.Expr, ...], ...]

    @property
    def names(self) -> tuple[str, ...]:
        return self.columns


@dataclass(frozen=True)
class Empty(_Leaf):
    """No rows of `columns`."""

    columns: tuple[Column, ...]

    @property
    def names(self) -> tuple[str, ...]:
        return tuple(c.name for c in self.columns)


@dataclass(frozen=True)
class Filter(LogicalPlan):
    """The rows for which `predicate` is true; false and NULL drop a row."""

    input: LogicalPlan
    predicate: exp.Expr

    @property
    def names(self) -> tuple[str, ...]:
        return self.input.names


@dataclass(frozen=True)
class Project(LogicalPlan):
    """One output column for each expression."""

    input: LogicalPlan
    exprs: tuple[NamedExpr, ...]

    def __post_init__(self) -> None:
        _require_unique(self)

    @property
    def names(self) -> tuple[str, ...]:
        return tuple(map(_name_of, self.exprs))


@dataclass(frozen=True)
class Aggregate(LogicalPlan):
    """One row for each group. Gives the keys, then the aggregates.

    With `grouping_sets`, each set lists positions in `keys`; a key outside of the set at hand is NULL, and
    ``GROUPING(key)`` may stand among the aggregates. Without keys there is one row, whatever comes in.
    """

    input: LogicalPlan
    keys: tuple[NamedExpr, ...]
    aggregates: tuple[NamedExpr, ...]
    grouping_sets: tuple[tuple[int, ...], ...] | None = None

    def __post_init__(self) -> None:
        _require_unique(self)

    @property
    def names(self) -> tuple[str, ...]:
        return tuple(map(_name_of, self.keys + self.aggregates))


@dataclass(frozen=True)
class Window(LogicalPlan):
    """The input's columns, then one for each window function."""

    input: LogicalPlan
    functions: tuple[NamedExpr, ...]

    def __post_init__(self) -> None:
        _require_unique(self)

    @property
    def names(self) -> tuple[str, ...]:
        return self.input.names + tuple(map(_name_of, self.functions))


@dataclass(frozen=True)
class Unnest(LogicalPlan):
    """The input's columns, then the items of `lists` side by side: as many rows for each as its longest list has.

    Shorter lists are filled up with NULL; a row whose lists are all empty or NULL is left out.
    """

    input: LogicalPlan
    lists: tuple[NamedExpr, ...]

    def __post_init__(self) -> None:
        _require_unique(self)

    @property
    def names(self) -> tuple[str, ...]:
        return self.input.names + tuple(map(_name_of, self.lists))


@dataclass(frozen=True)
class Join(LogicalPlan):
    """Two inputs with disjoint column names.

    `semi` and `anti` give the left columns only. `mark` gives each left row once, and in the column `mark` what
    ``condition`` says of it and any of the right rows: true where it holds for one, else NULL where it is NULL for one,
    else false. `single` is a left join in which a left row may meet one right row at most; a second one is an error.
    `condition` is None for `cross` only. The right side is the build side where a runtime has a choice.
    """

    KINDS: ClassVar[frozenset[str]] = frozenset(
        {"inner", "left", "right", "full", "semi", "anti", "cross", "mark", "single"}
    )

    left: LogicalPlan
    right: LogicalPlan
    kind: JoinKind
    condition: exp.Expr | None = None
    mark: str | None = None

    def __post_init__(self) -> None:
        if self.kind not in self.KINDS:
            raise ValueError(f"{self.kind!r} is no join kind")
        if (self.condition is None) != (self.kind == "cross"):
            raise ValueError(f"a {self.kind} join {'needs a' if self.condition is None else 'has no'} condition")
        if (self.mark is None) != (self.kind != "mark"):
            raise ValueError(f"a {self.kind} join {'needs a' if self.mark is None else 'has no'} column for its marks")
        shared = set(self.left.names) & set(self.right.names)
        if shared:
            raise ValueError(f"both sides of the join have {sorted(shared)}")

    @property
    def names(self) -> tuple[str, ...]:
        if self.mark is not None:
            return (*self.left.names, self.mark)
        return self.left.names if self.kind in ("semi", "anti") else self.left.names + self.right.names


@dataclass(frozen=True)
class Sort(LogicalPlan):
    """The input in order of `keys`."""

    input: LogicalPlan
    keys: tuple[SortKey, ...]

    @property
    def names(self) -> tuple[str, ...]:
        return self.input.names


@dataclass(frozen=True)
class Limit(LogicalPlan):
    """At most `count` rows (None: all) after the first `offset`."""

    input: LogicalPlan
    count: int | None
    offset: int = 0

    @property
    def names(self) -> tuple[str, ...]:
        return self.input.names


@dataclass(frozen=True)
class Distinct(LogicalPlan):
    """Each row once; with `on`, of the rows that are equal in these the first one in the order of `order`."""

    input: LogicalPlan
    on: tuple[exp.Expr, ...] = ()
    order: tuple[SortKey, ...] = ()

    @property
    def names(self) -> tuple[str, ...]:
        return self.input.names


@dataclass(frozen=True)
class SetOp(LogicalPlan):
    """Union, intersect or except of two inputs, by position. Gives `columns` as names."""

    KINDS: ClassVar[frozenset[str]] = frozenset({"union", "intersect", "except"})

    left: LogicalPlan
    right: LogicalPlan
    kind: str
    all: bool
    columns: tuple[str, ...]

    def __post_init__(self) -> None:
        if self.kind not in self.KINDS:
            raise ValueError(f"{self.kind!r} is no set operation")
        if not len(self.left.names) == len(self.right.names) == len(self.columns):
            raise ValueError("the sides of a set operation need the same number of columns")
        _require_unique(self)

    @property
    def names(self) -> tuple[str, ...]:
        return self.columns


@dataclass(frozen=True)
class Rename(LogicalPlan):
    """The same columns under other names, position by position. Only here may a name stand twice, at the root."""

    input: LogicalPlan
    columns: tuple[str, ...]

    def __post_init__(self) -> None:
        if len(self.columns) != len(self.input.names):
            raise ValueError(f"{len(self.input.names)} columns cannot take {len(self.columns)} names")

    @property
    def names(self) -> tuple[str, ...]:
        return self.columns


@dataclass(frozen=True)
class Collect(LogicalPlan):
    """A part of the plan that several places read: computed once, under `name`. The same object stands in each."""

    input: LogicalPlan
    name: str

    @property
    def names(self) -> tuple[str, ...]:
        return self.input.names


@dataclass(frozen=True)
class SqlQuery(LogicalPlan):
    """A whole SELECT. `query` is kernel SQL that names its inputs as tables.

    `columns` are the output columns; each input is reachable in `query` under the identifier beside it. `operators` is
    the same SELECT in nodes, for who distributes it: it gives the same rows under names of its own, position by
    position. None where it is not taken apart, for a `reason`.
    """

    query: str
    columns: tuple[str, ...]
    inputs: tuple[tuple[str, LogicalPlan], ...] = ()
    operators: LogicalPlan | None = None
    reason: str = ""

    @property
    def names(self) -> tuple[str, ...]:
        return self.columns

    @property
    def children(self) -> tuple[LogicalPlan, ...]:
        return tuple(map(itemgetter(1), self.inputs))

    def with_children(self, children: tuple[LogicalPlan, ...]) -> SqlQuery:
        inputs = tuple(zip(map(itemgetter(0), self.inputs), children, strict=True))
        return self if all(map(is_, self.children, children)) else replace(self, inputs=inputs)


def walk(plan: LogicalPlan) -> Iterator[LogicalPlan]:
    """Every node, root first."""
    pending = [plan]
    while pending:
        node = pending.pop()
        yield node
        pending.extend(reversed(node.children))


def in_operators(plan: LogicalPlan) -> LogicalPlan:
    """A statement as nodes that can be distributed, where it was taken apart; else `plan` as it is."""
    query = plan.input if isinstance(plan, Rename) else plan
    if isinstance(query, SqlQuery) and query.operators is not None:
        return Rename(query.operators, plan.names)
    return plan


Plan = TypeVar("Plan", bound=LogicalPlan)


def transform_up(plan: LogicalPlan, rule: Callable[[LogicalPlan], LogicalPlan]) -> LogicalPlan:
    """`rule` applied to every node, children first; a node that stands in several places is rewritten once."""
    done: dict[int, tuple[LogicalPlan, LogicalPlan]] = {}

    def visit(node: LogicalPlan) -> LogicalPlan:
        return once(done, node, lambda node: rule(node.with_children(tuple(map(visit, node.children)))))

    return visit(plan)
