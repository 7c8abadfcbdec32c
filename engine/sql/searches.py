"""Searches in FROM, as relations that the kernel binds: `vector_search(t, 'v', [1, 2], k := 3)` is read as

    (SELECT * EXCLUDE (_rowaddr) FROM t ORDER BY _distance, _rowaddr LIMIT 3)

where `t` stands for the rows that the storage finds. What it is to find is noted at the node that names the table, and
taken from there when the table is resolved: so names, versions and rights are those of any table.
"""

from __future__ import annotations

import copy
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from engine.errors import InvalidValueError, TypeMismatchError, UnsupportedError, nearest
from engine.sql.syntax import Node, Tree, function_name, name_subqueries, walk
from engine.storage.protocol import ROW_ADDRESS
from engine.storage.search import DISTANCE

__all__ = ["SEARCH", "SearchCall", "search_calls", "searches_as_tables"]

SEARCH = "search"
"""The key of a table's node under which the arguments of its search stand."""

_MARK = "_search"
_OPTIONS = {
    "vector_search": {
        "k": "BIGINT",
        "metric": "VARCHAR",
        "nprobes": "BIGINT",
        "refine_factor": "BIGINT",
        "ef": "BIGINT",
        "use_index": "BOOLEAN",
        "prefilter": "BOOLEAN",
        "filter": "VARCHAR",
    },
}
"""The options of each search with the kernel's types of their values."""

_ARGUMENTS = {"vector_search": ("table", "column", "query")}
_DEFAULT_K = "10"
_USAGE = {"vector_search": "vector_search(table, 'column', query, k := 10, ...)"}


@dataclass(frozen=True)
class SearchCall:
    """A search in a statement: what it is called with, and where it stands.

    `inner` is the SELECT over the `table` that stands for what is found, `outer` the one whose FROM is the search
    alone, if there is one.
    """

    function: str
    arguments: dict[str, Any]
    table: Node
    inner: Node
    outer: Node | None

    @property
    def options(self) -> dict[str, Node]:
        """The options that are given by their names; `k` always is."""
        return {"k": self.inner["modifiers"][-1]["limit"], **self.arguments["options"]}

    @property
    def types(self) -> dict[str, str]:
        """The kernel's types of all options that there are."""
        return _OPTIONS[self.function]


def searches_as_tables(text: str, root: Node, parse: Callable[[str], Node], display: Callable[[Node], str]) -> Node:
    """`root`, the tree of `text`, in which each search is a query over the table that it names.

    Items of SELECT lists keep their names, which `display` gives.

    Raises InvalidValueError, TypeMismatchError and UnsupportedError for arguments that are missing, unknown, or too
    many.
    """
    if _MARK not in text.lower():
        return root
    tree = Tree(root)
    functions = [(node, function_name(node.get("function") or {})) for node, _ in tree.relations("TABLE_FUNCTION")]
    calls = [(node, name) for node, name in functions if name in _ARGUMENTS]
    if calls:
        name_subqueries(tree, display)
    for node, name in calls:
        _put_query(node, name, parse)
    return root


def search_calls(tree: Tree, tables: Sequence[Node]) -> dict[int, SearchCall]:
    """The searches of a statement, taken out of its tree, by the identities of the nodes that name their tables.

    `tables` are the nodes that name tables. Raises UnsupportedError for a search of what is none, as a CTE is.
    """
    if not any(SEARCH in node for node, _ in tree.relations("BASE_TABLE")):
        return {}
    known = frozenset(map(id, tables))
    calls = {id(call.table): call for call in _calls(tree)}
    for call in calls.values():
        if id(call.table) not in known:
            name = call.table.get("table_name")
            raise UnsupportedError(f'"{name}" is a query under WITH; {call.function} reads tables, by their names.')
        del call.table[SEARCH]
    tree.changed()
    return calls


def _calls(tree: Tree) -> Iterator[SearchCall]:
    outer = {
        id(node["from_table"]["subquery"]["node"]): node
        for node, _ in tree.relations("SELECT_NODE")
        if (node.get("from_table") or {}).get("type") == "SUBQUERY"
    }
    for node, _ in tree.relations("SELECT_NODE"):
        table = node.get("from_table") or {}
        if SEARCH in table:
            noted = table[SEARCH]
            yield SearchCall(noted["function"], noted, table, node, outer.get(id(node)))


def _put_query(node: Node, name: str, parse: Callable[[str], Node]) -> None:
    """Put the query in the place of a call."""
    if node.get("with_ordinality", "WITHOUT_ORDINALITY") != "WITHOUT_ORDINALITY":
        raise UnsupportedError(f"WITH ORDINALITY is not handled for {name}; number the rows with row_number().")
    given, options = _arguments(node["function"], name)
    statement = parse(
        f"SELECT * EXCLUDE ({ROW_ADDRESS}) FROM x AS found ORDER BY {DISTANCE}, {ROW_ADDRESS} LIMIT {_DEFAULT_K}"
    )
    select = copy.deepcopy(statement["node"])
    place = {key: node.get(key) for key in ("query_location", "query_location_length")}
    for inner, _ in walk(select):
        if "query_location" in inner:
            inner.update(place)
    limit = select["modifiers"][-1]
    limit["limit"] = options.pop("k", limit["limit"])
    table = select["from_table"]
    table.update(_table(given["table"], parse, name))
    table[SEARCH] = {
        "function": name,
        "column": _name(given["column"], name),
        "query": given["query"],
        "options": options,
    }
    kept = {key: node.get(key) for key in ("sample", "column_name_alias", *place)}
    alias = node.get("alias") or name
    node.clear()
    node.update(kept, type="SUBQUERY", alias=alias, subquery={"node": select, "named_param_map": []})


def _arguments(function: Node, name: str) -> tuple[dict[str, Node], dict[str, Node]]:
    """The arguments by position, under their names, and the options."""
    positional: list[Node] = []
    options: dict[str, Node] = {}
    for argument in function.get("arguments") or ():
        expression = argument["expression"]
        key = str(argument.get("name") or expression.get("alias") or "").lower()
        if not key and expression.get("type") == "COMPARE_EQUAL" and len(_path(expression["left"])) == 1:
            key, expression = _path(expression["left"])[0].lower(), expression["right"]
        expression = {**expression, "alias": ""}
        if not key:
            positional.append(expression)
        elif key not in _OPTIONS[name]:
            near = nearest(key, _OPTIONS[name])
            hint = f'did you mean "{near}"?' if near else f"there are {', '.join(_OPTIONS[name])}."
            raise InvalidValueError(f'{name} has no option "{key}"; {hint}')
        elif key in options:
            raise InvalidValueError(f'The option "{key}" of {name} is given twice.')
        else:
            options[key] = expression
    wanted = _ARGUMENTS[name]
    if len(positional) != len(wanted):
        raise TypeMismatchError(
            f"{name} takes {len(wanted)} arguments and then options by their names, {len(positional)} were given: "
            f"{_USAGE[name]}."
        )
    return dict(zip(wanted, positional, strict=True)), options


def _path(node: Node) -> list[str]:
    return list(node.get("column_names") or ()) if node.get("class") == "COLUMN_REF" else []


def _string(node: Node) -> str | None:
    literal = node.get("literal") or {}
    return str(literal["text"]) if node.get("class") == "CONSTANT" and literal.get("kind") == "STRING" else None


def _name(node: Node, name: str) -> str:
    """The name of a column, written as one or as a text."""
    path = _path(node)
    found = path[0] if len(path) == 1 else _string(node)
    if not found:
        raise TypeMismatchError(f"The second argument of {name} is the name of a column: {_USAGE[name]}.")
    return found


def _table(node: Node, parse: Callable[[str], Node], name: str) -> Node:
    """What names the table: a name, a text that is one, or a query of nothing but a table, which may have a version."""
    path, written = _path(node), _string(node)
    if path:
        return {"catalog_name": "", "schema_name": "", "table_name": path[-1], "qualified_name": {"path": path}}
    select: Any = None
    if written is not None:
        select = parse(f"SELECT * FROM {written}\n")["node"]
    elif node.get("class") == "SUBQUERY":
        select = node["subquery"]["node"]
    if isinstance(select, dict) and _is_whole_table(select):
        kept = ("catalog_name", "schema_name", "table_name", "qualified_name", "at_clause")
        return {key: select["from_table"].get(key) for key in kept}
    raise TypeMismatchError(
        f"The first argument of {name} is the name of a table, or (FROM t AT (VERSION => n)) for a version of it: "
        f"{_USAGE[name]}."
    )


def _is_whole_table(select: Node) -> bool:
    items, table = select.get("select_list") or [], select.get("from_table") or {}
    plain = (
        len(items) == 1
        and items[0].get("class") == "STAR"
        and not any(
            items[0].get(key) for key in ("exclude_list", "replace_list", "rename_list", "expr", "relation_name")
        )
    )
    clauses = ("where_clause", "group_expressions", "having", "qualify", "sample", "modifiers")
    return (
        plain
        and table.get("type") == "BASE_TABLE"
        and not any(table.get(key) for key in ("alias", "column_name_alias", "sample"))
        and not any(select.get(key) for key in clauses)
        and not (select.get("cte_map") or {}).get("map")
    )
