"""The statement that gives the queries of a search, where each row of something else has one:

    FROM q, LATERAL vector_search(t, 'v', q.v, k := 3)      SELECT DISTINCT CAST(q.v AS DOUBLE[]) AS _query FROM q

It is read beside the statement that it was taken from, so it has to give the same rows each time.
"""

from __future__ import annotations

import copy
import re
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import replace

from engine.binder import BoundStatement
from engine.errors import PlanningError, UnsupportedError
from engine.kernel import Kernel
from engine.logical.nodes import Scan
from engine.logical.nodes import walk as walk_plan
from engine.optimizer.prune_columns import narrowest
from engine.schema import RowType
from engine.sql.cte_scopes import among
from engine.sql.operator_reading import read_operators
from engine.sql.plan_reader import NotRead
from engine.sql.row_scopes import RowScope
from engine.sql.searches import TEXT, SearchCall
from engine.sql.syntax import Node, walk
from engine.sql.unparsing import unparse
from engine.sql.volatility import volatile_part
from engine.storage.protocol import TableHandle
from engine.storage.search import QUERY, Queries

__all__ = ["lateral_queries"]

_INNER = "__queries"


def lateral_queries(
    kernel: Kernel, call: SearchCall, tables: Mapping[str, tuple[TableHandle, RowType]]
) -> Queries | None:
    """Where the queries of `call` come from, over `tables` by their names in the tree.

    None where that is another search whose queries are not known yet: a search stands left of what is over its rows.
    Raises UnsupportedError for a query over anything but what stands left of the call, or around it, and for rows that
    may be others when they are read again.
    """
    known = {name: columns for name, (_, columns) in tables.items()}
    shell, refusal = kernel.parse("SELECT 1"), None
    for count in range(len(call.scopes) + 1):  # names mean what is nearest
        used = call.scopes[len(call.scopes) - count :]
        shell["node"] = among(kernel, _select(kernel, call, used, [[]] * count), QUERY, call.ctes)
        text = unparse(kernel, shell)
        if _names_table(text, str(call.table["table_name"])):
            raise UnsupportedError(
                f"The rows that {call.function} searches for come from a recursive query that the search is itself a "
                "part of; put what each round finds into a table."
            )
        read = {name: table for name, table in tables.items() if _names_table(text, name)}
        if any(_is_open(handle) for handle, _ in read.values()):
            return None
        try:
            kernel.binder.describe(text, known)
        except PlanningError as error:
            refusal = error
            continue
        break
    else:
        assert refusal is not None
        what = "a text" if call.kind == TEXT else "a list of numbers"
        raise UnsupportedError(
            f"The query of {call.function} is {what}, and may name columns of what stands before it in the same FROM, "
            f"or around it: {refusal.args[0]}"
        ) from None
    _require_steady(call, shell["node"])
    _require_names(call, count)
    _require_single(kernel, call, used, known)
    met = [_conditions(kernel, shell, call, used, place, tables) for place in range(count)]
    used = _without_crossed(kernel, shell, call, used, met, tables)
    shell["node"] = among(kernel, _select(kernel, call, used, met), QUERY, call.ctes)
    text = unparse(kernel, shell)
    read = {name: table for name, table in tables.items() if _names_table(text, name)}
    bound = kernel.binder.bind(text, {name: columns for name, (_, columns) in read.items()})
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


def _select(kernel: Kernel, call: SearchCall, scopes: Sequence[RowScope], met: Sequence[Sequence[Node]]) -> Node:
    """The queries over the rows of `scopes`, of which each is within the one before, that meet these conditions."""
    node: Node = kernel.parse(f"SELECT DISTINCT CAST(0 AS {call.query_type}) AS {QUERY}")["node"]
    node["select_list"][0]["child"] = copy.deepcopy(call.query)
    for place in reversed(range(len(scopes))):
        rows = copy.deepcopy(scopes[place].rows)
        if place == len(scopes) - 1:
            node["from_table"] = rows
        else:
            around = kernel.parse(f"SELECT DISTINCT {_INNER}.{QUERY} FROM (SELECT 1), (SELECT 1) AS {_INNER}")["node"]
            around["from_table"]["left"] = rows
            around["from_table"]["right"]["subquery"]["node"] = node
            node = around
        if met[place]:
            every = kernel.parse("SELECT true AND true")["node"]["select_list"][0]
            node["where_clause"] = copy.deepcopy({**every, "children": list(met[place])})
    return node


def _conditions(
    kernel: Kernel,
    shell: Node,
    call: SearchCall,
    scopes: Sequence[RowScope],
    place: int,
    tables: Mapping[str, tuple[TableHandle, RowType]],
) -> list[Node]:
    """The conditions of one of the scopes that its rows tell, so that those that do not meet them have no query."""
    above = scopes[place].above or {}
    parts = above["children"] if above.get("type") == "CONJUNCTION_AND" else [above] if above else []
    told = []
    for part in parts:
        met: list[list[Node]] = [[part] if other == place else [] for other in range(len(scopes))]
        tried = {**shell, "node": among(kernel, _select(kernel, call, scopes, met), QUERY, call.ctes)}
        if volatile_part(tried["node"]) is not None:
            continue
        text = unparse(kernel, tried)
        known = {n: columns for n, (handle, columns) in tables.items() if not _is_open(handle)}
        with suppress(PlanningError):  # it is about other rows, too, or about what is found
            kernel.binder.describe(text, known)
            if not _means_another(kernel, call, scopes[: place + 1], part, known):
                told.append(part)
    return told


def _without_crossed(
    kernel: Kernel,
    shell: Node,
    call: SearchCall,
    scopes: tuple[RowScope, ...],
    met: Sequence[Sequence[Node]],
    tables: Mapping[str, tuple[TableHandle, RowType]],
) -> tuple[RowScope, ...]:
    """The scopes without tables that are nothing but crossed with those of which the queries are: what is read of these
    alone are the same queries.
    """
    for place, scope in enumerate(scopes):
        rows = scope.rows
        is_cross = rows.get("type") == "JOIN" and rows.get("ref_type") == "CROSS"
        for kept, other in (("left", "right"), ("right", "left")) if is_cross else ():
            hidden = _names_of(rows[other], tables)
            tried = (*scopes[:place], replace(scope, rows=rows[kept]), *scopes[place + 1 :])
            select = among(kernel, _select(kernel, call, tried, met), QUERY, call.ctes)
            if hidden is None or _counts_columns(select) or any(hidden & _words(node) for node, _ in walk(select)):
                continue
            with suppress(PlanningError):
                text = unparse(kernel, {**shell, "node": select})
                kernel.binder.describe(text, {name: columns for name, (_, columns) in tables.items()})
                return _without_crossed(kernel, shell, call, tried, met, tables)
    return scopes


def _names_of(rows: Node, tables: Mapping[str, tuple[TableHandle, RowType]]) -> set[str] | None:
    """What may name something of these rows, in lower case; None where they are not of tables alone."""
    if rows.get("type") == "JOIN":
        left, right = _names_of(rows["left"], tables), _names_of(rows["right"], tables)
        return None if left is None or right is None else left | right
    if rows.get("type") != "BASE_TABLE" or rows["table_name"] not in tables:
        return None
    return _aliases(rows) | {column.name.lower() for column in tables[rows["table_name"]][1]}


def _words(node: Node) -> set[str]:
    """The words of a name that may be a table's, or a column's where no table's stands before it, in lower case."""
    path: list[str] = node.get("column_names") or []
    return {word.lower() for word in (*path[:-1], *path[:1])}


def _means_another(
    kernel: Kernel, call: SearchCall, scopes: Sequence[RowScope], condition: Node, tables: Mapping[str, RowType]
) -> bool:
    """Whether a name in a condition over the last of the scopes may be of what is not seen there, and has the same name
    as something in those around it, or as a field of a struct.
    """
    *around, own = scopes
    hidden = _aliases(own.beside)
    for name, _ in walk({"item": condition}):
        path: list[str] = name.get("column_names") or []
        if hidden.intersection(word.lower() for word in path[:-1]):
            return True
        if around and len(path) == 1 and name.get("class") == "COLUMN_REF":
            empty = RowScope(kernel.parse("SELECT 1 FROM (SELECT 1)")["node"]["from_table"], None)
            nothing = replace(call, query=kernel.parse("SELECT NULL")["node"]["select_list"][0])
            shell = kernel.parse("SELECT 1")
            met = [*([[]] * len(around)), [_is_there(kernel, name)]]
            shell["node"] = among(kernel, _select(kernel, nothing, [*around, empty], met), QUERY, call.ctes)
            with suppress(PlanningError):
                kernel.binder.describe(unparse(kernel, shell), tables)
                return True
    return False


def _aliases(rows: Node | None) -> set[str]:
    """What the parts of a FROM are called, in lower case."""
    if rows is None:
        return set()
    if rows.get("type") == "JOIN":
        return _aliases(rows["left"]) | _aliases(rows["right"])
    return {str(rows.get("alias") or rows.get("table_name")).lower()}


def _is_there(kernel: Kernel, value: Node) -> Node:
    """The condition that a value is not NULL."""
    condition: Node = kernel.parse("SELECT 0 IS NOT NULL")["node"]["select_list"][0]
    return {**condition, "children": [{**value, "alias": ""}]}


def _is_open(table: TableHandle) -> bool:
    """Whether a table stands for a search whose queries are not known yet."""
    return table.search is not None and table.search.is_each and table.search.queries is None


def _require_names(call: SearchCall, count: int) -> None:
    """Raise UnsupportedError where the rows of queries around the call may be of CTEs that have other names there."""
    names = [str(entry["key"]).lower() for level in call.ctes for entry in level]
    if len(set(names)) < len(names) and count > call.is_beside:
        raise UnsupportedError(
            f"The rows that {call.function} searches for are of a query around it, and two queries under WITH have one "
            "name; give them different ones."
        )


def _require_single(
    kernel: Kernel, call: SearchCall, scopes: Sequence[RowScope], tables: Mapping[str, RowType]
) -> None:
    """Raise UnsupportedError for a query that is computed of several rows, as by an aggregate or over a window."""
    if not scopes:
        return
    shell = kernel.parse("SELECT 1")
    met = [*([[]] * (len(scopes) - 1)), [_is_there(kernel, call.query)]]
    shell["node"] = among(kernel, _select(kernel, call, scopes, met), QUERY, call.ctes)
    try:  # conditions are of one row
        kernel.binder.describe(unparse(kernel, shell), tables)
    except PlanningError as error:
        raise UnsupportedError(
            f"The query of {call.function} is computed of one row; compute what takes several in a query under WITH, "
            f"or in a subquery in FROM: {error.args[0]}"
        ) from None


def _require_steady(call: SearchCall, select: Node) -> None:
    """Raise UnsupportedError for what may give other rows when it is read again."""
    what = volatile_part(select)
    if what is not None:
        raise UnsupportedError(
            f"The rows that {call.function} searches for are read twice, and {what} may make others of them; put "
            "them into a table first."
        )
