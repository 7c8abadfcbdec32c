"""The statement that gives the queries of a search, where each row of something else has one:

    FROM q, LATERAL vector_search(t, 'v', q.v, k := 3)      SELECT DISTINCT CAST(q.v AS DOUBLE[]) AS _query FROM q

It is read beside the statement that it was taken from, so it has to give the same rows each time.
"""

from __future__ import annotations

import copy
import re
from collections.abc import Mapping
from contextlib import suppress

from engine.binder import BoundStatement
from engine.errors import PlanningError, UnsupportedError
from engine.kernel import Kernel
from engine.logical.columns import VOLATILE
from engine.logical.nodes import Scan
from engine.logical.nodes import walk as walk_plan
from engine.optimizer.prune_columns import narrowest
from engine.schema import RowType
from engine.sql.cte_scopes import among
from engine.sql.operator_reading import read_operators
from engine.sql.plan_reader import NotRead
from engine.sql.searches import SearchCall
from engine.sql.syntax import Node, function_name, walk
from engine.sql.unparsing import unparse
from engine.storage.protocol import TableHandle
from engine.storage.search import QUERY, Queries

__all__ = ["lateral_queries"]


def lateral_queries(kernel: Kernel, call: SearchCall, tables: Mapping[str, tuple[TableHandle, RowType]]) -> Queries:
    """Where the queries of `call` come from, over `tables` by their names in the tree.

    Raises UnsupportedError for a query over anything but what stands left of the call, and for rows that may be others
    when they are read again.
    """
    shell = kernel.parse(f"SELECT DISTINCT CAST(0 AS DOUBLE[]) AS {QUERY}")
    select = shell["node"]
    select["select_list"][0]["child"] = copy.deepcopy(call.query)
    if call.left is not None:
        select["from_table"] = copy.deepcopy(call.left)
    _require_steady(call, among(kernel, select, QUERY, call.ctes))
    known = {name: columns for name, (_, columns) in tables.items()}
    above = call.above or {}
    parts = above["children"] if above.get("type") == "CONJUNCTION_AND" else [above] if above else []
    met = [part for part in parts if _is_told(kernel, shell, call, part, known)]
    if met:
        every = kernel.parse("SELECT true AND true")["node"]["select_list"][0]
        select["where_clause"] = copy.deepcopy({**every, "children": met})
    shell["node"] = among(kernel, select, QUERY, call.ctes)
    text = unparse(kernel, shell)
    if _names_table(text, str(call.table["table_name"])):
        raise UnsupportedError(
            f"The rows that {call.function} searches for come from a recursive query that the search is itself a part "
            "of; put what each round finds into a table."
        )
    read = {name: table for name, table in tables.items() if _names_table(text, name)}
    for handle, _ in read.values():
        if handle.search is not None and handle.search.is_each and handle.search.queries is None:
            raise UnsupportedError(
                f"The rows that {call.function} searches for come from another search of this kind; put what that one "
                "finds into a table first."
            )
    try:
        bound = kernel.binder.bind(text, {name: columns for name, (_, columns) in read.items()})
    except PlanningError as error:
        raise UnsupportedError(
            f"The query of {call.function} is a list of numbers, and may name columns of what stands before it in the "
            f"same FROM: {error.args[0]}"
        ) from None
    needed = {name: columns for name, (_, columns) in read.items()}
    if not _counts_columns(shell["node"]):
        fewer = _needed_columns(bound, read)
        with suppress(PlanningError):  # for a column that is named, but makes no difference
            kernel.binder.describe(text, fewer)
            needed = fewer
    return Queries(text, tuple((name, handle, needed[name]) for name, (handle, _) in read.items()))


def _names_table(text: str, name: str) -> bool:
    return re.search(rf"\b{name}\b", text) is not None


def _counts_columns(select: Node) -> bool:
    """Whether a statement may mean something else over tables with fewer columns than they have."""
    return any(
        node.get("column_name_alias")
        or node.get("class") in ("STAR", "POSITIONAL_REFERENCE")
        or node.get("ref_type") == "NATURAL"
        or node.get("type") in ("PIVOT", "SHOW_REF", "UNPIVOT")
        for node, _ in walk(select)
    )


def _needed_columns(bound: BoundStatement, tables: Mapping[str, tuple[TableHandle, RowType]]) -> dict[str, RowType]:
    """The columns that a statement names of each table, by the table's name."""
    try:
        plan = read_operators(bound, tables)
    except NotRead:
        return {name: columns for name, (_, columns) in tables.items()}
    read: dict[str, set[str]] = {name: set() for name in tables}
    for node in walk_plan(plan):
        if isinstance(node, Scan):
            read[node.reference].update(column.name for column in node.columns)
    return {
        name: tuple(c for c in columns if c.name in read[name]) or (narrowest(columns),)
        for name, (_, columns) in tables.items()
    }


def _is_told(kernel: Kernel, shell: Node, call: SearchCall, condition: Node, tables: Mapping[str, RowType]) -> bool:
    """Whether the rows that queries come from tell a condition, so that those that do not meet it have no query."""
    tried = among(kernel, {**shell["node"], "where_clause": condition}, QUERY, call.ctes)
    if _unsteady(tried) is not None:
        return False
    try:
        kernel.binder.describe(unparse(kernel, {**shell, "node": tried}), tables)
    except PlanningError:
        return False
    return True


def _require_steady(call: SearchCall, select: Node) -> None:
    """Raise UnsupportedError for what may give other rows when it is read again."""
    what = _unsteady(select)
    if what is not None:
        raise UnsupportedError(
            f"The rows that {call.function} searches for are read twice, and {what} may make others of them; put "
            "them into a table first."
        )


def _unsteady(select: Node) -> str | None:
    """What may give other rows when a query is read again, if there is anything."""
    for node, _ in walk(select):
        limited = [each for each in node.get("modifiers") or () if str(each.get("type")).startswith("LIMIT")]
        ordered = [each for each in node.get("modifiers") or () if each.get("type") == "ORDER_MODIFIER"]
        name = function_name(node) if node.get("class") == "FUNCTION" else ""
        if name in VOLATILE or node.get("sample") or (limited and not ordered):
            return f"{name}()" if name in VOLATILE else "a sample" if node.get("sample") else "a LIMIT without an order"
    return None
