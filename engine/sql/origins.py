"""From which tables the columns of a result come, read off the kernel's bound plan.

A column has an origin where it is a plain column of a table, whatever aliases, derived tables, CTEs, views, filters,
joins and orders stand between. What is computed has none, nor has what stands for several: a column of a UNION, a
scalar subquery.
"""

from __future__ import annotations

from collections.abc import Callable, Hashable, Iterable, Mapping, Sequence, Set
from contextlib import suppress
from typing import Any, Protocol

from engine.binder import Binder, BoundStatement
from engine.cache import LruCache
from engine.schema import RowType
from engine.sql import syntax
from engine.sql.catalog_functions import is_catalog_function
from engine.sql.views import View
from engine.storage.protocol import Origins, TableHandle, TableName

__all__ = ["ColumnOrigins", "UncertainOrigin", "column_origins"]

_KEPT = 512
_MOST_CHARACTERS = 100_000  # of a text whose plan is looked at for this

Json = dict[str, Any]
Tables = Mapping[str, tuple[TableHandle, RowType]]
_Columns = list[TableName | None]

# What the optimizer may make a plain column of. So it does of calculations only where a part of them is a constant.
_SIMPLIFIED = frozenset({"BETWEEN", "CASE", "COMPARISON", "CONJUNCTION", "OPERATOR"})
_EXTRACTING = frozenset({"array_extract", "if", "ifnull", "list_extract", "list_value", "row", "struct_extract"})


class ParsedText(Protocol):
    """A statement as it came: its text, and its tree with the views in it."""

    @property
    def text(self) -> str: ...

    @property
    def tree(self) -> syntax.Tree: ...

    @property
    def views(self) -> Mapping[TableName, View]: ...


class ColumnOrigins:
    """Tells the origins of the columns of statements, which are remembered: parameters change nothing. Thread-safe."""

    def __init__(self, binder: Binder) -> None:
        self._binder = binder
        self._known: LruCache[Hashable, Origins] = LruCache(_KEPT)

    def of(self, parsed: ParsedText, canonical: str, tables: Tables, bound: BoundStatement | None = None) -> Origins:
        """The origin of each column of a statement's result; empty where none has one.

        `tables` are by their names in the `canonical` text; `bound` is its optimized plan, where there is one.
        """
        if not tables or len(parsed.text) > _MOST_CHARACTERS:
            return ()
        columns = tuple((handle.name, columns) for handle, columns in tables.values())
        key = parsed.text, columns, tuple(parsed.views.items())
        known = self._known.get(key)
        if known is None:
            found = self._find_origins(parsed.tree, canonical, tables, bound)
            known = found if any(found) else ()
            self._known.put(key, known)
        return known

    def _find_origins(self, tree: syntax.Tree, canonical: str, tables: Tables, bound: BoundStatement | None) -> Origins:
        computed, uncertain = _computed_items(tree)
        if computed is None:
            return ()
        if bound is not None and bound.plan is not None and not uncertain:
            with suppress(UncertainOrigin):
                return column_origins(bound.plan, _by_plan_name(bound, tables), computed, optimized=True)
        if bound is None and (found := _of_only_table(tree, tables, computed)):
            return found
        as_bound = self._binder.as_bound(canonical, {name: columns for name, (_, columns) in tables.items()})
        if as_bound.plan is None:
            return ()
        return column_origins(as_bound.plan, _by_plan_name(as_bound, tables), computed)


def _by_plan_name(bound: BoundStatement, tables: Tables) -> dict[str, TableName]:
    """The tables by their names in the plan; those of functions left out."""
    named = {name: tables[text][0] for name, text in bound.tables.items()}
    return {name: handle.name for name, handle in named.items() if not _is_of_function(handle)}


def _is_of_function(handle: TableHandle) -> bool:
    """Whether a relation is what a function gives: a search adds columns that its table has not."""
    return handle.search is not None or is_catalog_function(handle.name)


class UncertainOrigin(Exception):
    """An optimized plan may tell another origin than the plan as it is bound."""


class _UnknownOperator(Exception):
    """An operator of which it is not known what columns it gives."""


def column_origins(
    bound: Json, tables: Mapping[str, TableName], computed: Set[int] = frozenset(), *, optimized: bool = False
) -> Origins:
    """The origin of each column that a bound plan gives; empty where it has operators that are not known.

    `tables` are by their names in the plan, `computed` the positions of columns that have no origin. Raises
    UncertainOrigin where an `optimized` plan may not tell what the plan as it is bound would.
    """
    found: _Columns = []
    with suppress(_UnknownOperator, LookupError, RecursionError):  # what is not known must not end a statement
        found = _Walk(tables, optimized).columns(bound)
    origins = tuple(None if i in computed else origin for i, origin in enumerate(found))
    if any(origin is _UNCERTAIN for origin in origins):
        raise UncertainOrigin
    return origins


def _of_only_table(tree: syntax.Tree, tables: Tables, computed: Set[int]) -> Origins:
    """The origins where all items but the `computed` are columns of the only table in FROM; empty where that is not so.

    It spares a statement of many columns to be bound for this.
    """
    node = tree.root["node"]
    (handle, columns), *others = tables.values()
    if others or (node["type"], node["from_table"]["type"]) != ("SELECT_NODE", "BASE_TABLE"):
        return ()
    if tree.expressions("STAR") or node.get("group_sets") or _is_of_function(handle):
        return ()
    own = {column.name.lower() for column in columns}
    items: list[list[str]] = [item.get("column_names") or [] for item in node["select_list"]]
    if any(len(names) != 1 or names[0].lower() not in own for i, names in enumerate(items) if i not in computed):
        return ()
    return tuple(None if i in computed else handle.name for i in range(len(items)))


def _computed_items(tree: syntax.Tree) -> tuple[frozenset[int] | None, bool]:
    """Which columns of a statement's result are computed as it is written, and whether others may become plain columns.

    These are positions; None where all are computed. The others are those that the optimizer may find to be plain.
    """
    top = tree.root["node"]
    items = top.get("select_list") or () if top.get("type") == "SELECT_NODE" else ()
    stars = any(map(_has_star, items)) if tree.expressions("STAR") else False
    if not stars and not any(map(_is_plain, items)):
        return None, False
    scalars = syntax.inside_expressions(tree)
    nodes = [node for node, _ in tree.relations("SELECT_NODE") if node is not top and id(node) not in scalars]
    nested = [item for node in nodes for item in node.get("select_list") or ()]
    if stars:
        return frozenset(), any(map(_may_be_plain, [*items, *nested]))
    return frozenset(i for i, item in enumerate(items) if not _is_plain(item)), any(map(_may_be_plain, nested))


def _is_plain(item: Json) -> bool:
    """Whether an item may be a column: a cast to the type that its column has is none to the binder."""
    while item.get("class") == "CAST":
        item = item["child"]
    return item.get("class") in ("COLUMN_REF", "POSITIONAL_REFERENCE")


def _has_star(item: Json) -> bool:
    return any(node.get("class") == "STAR" for node, _ in syntax.walk(item))


def _may_be_plain(item: Json) -> bool:
    """Whether an expression may be simplified to a column."""
    while item.get("class") == "CAST":
        item = item["child"]
    kind = item.get("class")
    if kind == "STAR":
        return bool(item.get("replace_list") or item.get("expr"))
    if kind != "FUNCTION":
        return kind in _SIMPLIFIED
    if item.get("is_operator"):
        return any(not _reads(argument["expression"]) for argument in item.get("arguments") or ())
    return syntax.function_name(item) in _EXTRACTING or syntax.function_name(item).startswith("struct_")


def _reads(expression: Json) -> bool:
    """Whether a column stands in an expression."""
    return any(node.get("class") == "COLUMN_REF" for node, _ in syntax.walk(expression))


_UNCERTAIN = TableName("", "")
"""That of an optimized plan's column which stands for an equal one: a constant, or a column of another table."""


class _Walk:
    def __init__(self, tables: Mapping[str, TableName], optimized: bool) -> None:
        self._tables = tables
        self._optimized = optimized
        self._ctes: dict[int, _Columns] = {}
        self._operators: dict[str, Callable[[Json], _Columns]] = {
            "LOGICAL_GET": self._get,
            "LOGICAL_DUMMY_SCAN": lambda _: [None],
            "LOGICAL_EXPRESSION_GET": lambda node: [None] * len(node["expr_types"]),
            "LOGICAL_EMPTY_RESULT": self._empty,
            "LOGICAL_FILTER": self._project,
            "LOGICAL_ORDER_BY": self._project,
            "LOGICAL_LIMIT": self._child,
            "LOGICAL_DISTINCT": self._child,
            "LOGICAL_SAMPLE": self._child,
            "LOGICAL_PROJECTION": lambda node: self._of_expressions(node.get("expressions", ()), self._child(node)),
            "LOGICAL_AGGREGATE_AND_GROUP_BY": self._aggregate,
            "LOGICAL_WINDOW": self._append,
            "LOGICAL_UNNEST": self._append,
            "LOGICAL_COMPARISON_JOIN": self._join,
            "LOGICAL_DELIM_JOIN": self._join,
            "LOGICAL_ASOF_JOIN": self._join,
            "LOGICAL_ANY_JOIN": self._join,
            "LOGICAL_CROSS_PRODUCT": self._side_by_side,
            "LOGICAL_POSITIONAL_JOIN": self._side_by_side,
            "LOGICAL_UNION": self._without_origins,
            "LOGICAL_EXCEPT": self._without_origins,
            "LOGICAL_INTERSECT": self._without_origins,
            "LOGICAL_RECURSIVE_CTE": self._without_origins,
            "LOGICAL_MATERIALIZED_CTE": self._cte,
            "LOGICAL_CTE_REF": self._cte_reference,
        }

    def columns(self, node: Json) -> _Columns:
        found = self._operators.get(node["type"])
        if found is None:
            raise _UnknownOperator
        return found(node)

    def _get(self, node: Json) -> _Columns:
        indexes = node["column_indexes"]
        table = None
        if node["qname"]["path"][-1] == "seq_scan":
            table = self._tables.get(node["function_data"]["table"])
        own = [None if index.keys() - {"index"} else table for index in indexes]  # some are fields of a column
        return _at(own, node["projection_ids"]) + [None] * len(node.get("projected_input", ()))

    def _empty(self, node: Json) -> _Columns:
        if self._optimized:
            raise UncertainOrigin
        return [None] * len(node["return_types"])

    def _child(self, node: Json) -> _Columns:
        (child,) = node["children"]
        return self.columns(child)

    def _of_expressions(self, expressions: Iterable[Json], below: _Columns) -> _Columns:
        """The origins of expressions over columns: those of the columns that they pass on."""
        constant = _UNCERTAIN if self._optimized else None
        return [
            below[each.get("index", 0)]
            if each.get("expression_class") == "BOUND_REF"
            else constant
            if each.get("expression_class") == "BOUND_CONSTANT"
            else None
            for each in expressions
        ]

    def _project(self, node: Json) -> _Columns:
        return _at(self._child(node), node.get("projection_map"))

    def _append(self, node: Json) -> _Columns:
        return self._child(node) + [None] * len(node.get("expressions", ()))

    def _aggregate(self, node: Json) -> _Columns:
        keys = self._of_expressions(node.get("groups", ()), self._child(node))
        if len(node.get("grouping_sets", ())) > 1:  # what is no key of a set is NULL in it
            keys = [None] * len(keys)
        return keys + [None] * (len(node.get("expressions", ())) + len(node.get("grouping_functions", ())))

    def _join(self, node: Json) -> _Columns:
        left, right = ([*self.columns(child)] for child in node["children"])
        kind = node["join_type"]
        if self._optimized and kind == "INNER":
            _mark_equal(node.get("conditions", ()), left, right)
        left, right = _at(left, node.get("left_projection_map")), _at(right, node.get("right_projection_map"))
        match kind:
            case "SEMI" | "ANTI":
                return left
            case "RIGHT_SEMI" | "RIGHT_ANTI":
                return right
            case "MARK":
                return [*left, None]
            case "SINGLE":
                return left + [None] * len(right)
        return left + right

    def _side_by_side(self, node: Json) -> _Columns:
        left, right = (self.columns(child) for child in node["children"])
        return left + right

    def _without_origins(self, node: Json) -> _Columns:
        return [None] * node["column_count"]

    def _cte(self, node: Json) -> _Columns:
        definition, query = node["children"]
        self._ctes[node.get("table_index", 0)] = self.columns(definition)
        return self.columns(query)

    def _cte_reference(self, node: Json) -> _Columns:
        found = self._ctes.get(node.get("cte_index", 0))
        return [None] * len(node["chunk_types"]) if found is None else found


def _at(columns: _Columns, positions: Sequence[int] | None) -> _Columns:
    return [columns[i] for i in positions] if positions else columns


def _mark_equal(conditions: Iterable[Json], left: _Columns, right: _Columns) -> None:
    """Let columns that have to be equal have either's origin: of two, the optimizer gives the left one for both."""
    for condition in conditions:
        sides = condition.get("left", {}), condition.get("right", {})
        if any(side.get("expression_class") != "BOUND_REF" for side in sides):
            continue
        one, other = (side.get("index", 0) for side in sides)
        if left[one] != right[other]:
            left[one] = right[other] = _UNCERTAIN
