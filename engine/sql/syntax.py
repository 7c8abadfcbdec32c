"""The kernel's syntax tree of one SELECT: which tables it reads, and what a client may not say.

The tree is the kernel's own, so what is checked here is what the kernel would run; no second parser stands between.
"""

from __future__ import annotations

import datetime
from collections.abc import Callable, Collection, Iterator, Sequence
from typing import Any

from engine.cancellation import current_cancellation
from engine.errors import ForbiddenError, GrismError, InvalidValueError, UnsupportedError
from engine.storage.protocol import Tag, Version

__all__ = [
    "CHECKED",
    "TAGGED",
    "Node",
    "Refusal",
    "Tree",
    "asked_version",
    "called_function",
    "check",
    "cte_names",
    "function_name",
    "given_names",
    "inside_expressions",
    "name_subqueries",
    "parameter_names",
    "referenced_columns",
    "replace",
    "select_items",
    "table_path",
    "table_references",
    "unnamed_items",
    "walk",
]

Node = dict[str, Any]

_INNER = frozenset({dict, list})  # what a tree of JSON is made of
CHECKED = 4096
"""Nodes of a walk between two looks at whether it is to stop."""

TAGGED = "tag:"
"""How the text of a version begins that is asked for by its tag."""

_LOCATION = ("query_location", "query_location_length")
_MAX_NAME_PARTS = 64  # of a column's name with the fields in it; the kernel's time grows with their square

# Everything else that stands in FROM with brackets reads files, settings, memory addresses or tables by text.
TABLE_FUNCTIONS = frozenset(
    {"range", "generate_series", "unnest", "repeat", "repeat_row", "json_each", "json_tree", "pg_timezone_names"}
    | {
        "icu_calendar_names",
        "duckdb_functions",
        "duckdb_keywords",
        "duckdb_types",
        "test_all_types",
        "test_vector_types",
        "unlist",
    }
)
FORBIDDEN_FUNCTIONS = frozenset(
    {"getenv", "getvariable", "current_setting", "query", "query_table", "read_text", "read_blob", "read_csv"}
    | {"read_csv_auto", "read_parquet", "parquet_scan", "read_json", "read_json_auto", "read_ndjson", "glob"}
    | {"nextval", "currval", "setseed", "write_log", "json_serialize_plan", "json_execute_serialized_sql"}
    | {"add_parquet_key", "duckdb_secrets", "which_secret", "sniff_csv"}
    | {"parse_duckdb_log_message", "current_query", "pg_get_viewdef", "in_search_path", "txid_current"}
    | {"current_connection_id", "current_transaction_id", "current_query_id"}  # which tell what others do
)
# The kernel says yes for every table, also for those that are not there.
PRIVILEGE_FUNCTIONS = frozenset(
    {"has_any_column_privilege", "has_column_privilege", "has_database_privilege", "has_schema_privilege"}
    | {"has_foreign_data_wrapper_privilege", "has_function_privilege", "has_language_privilege", "pg_has_role"}
    | {"has_sequence_privilege", "has_server_privilege", "has_table_privilege", "has_tablespace_privilege"}
)


def walk(root: Node) -> Iterator[tuple[Node, frozenset[str]]]:
    """Every node but constants, with the names of the CTEs in reach of it, folded to lower case.

    Raises the cause where planning was stopped.
    """
    stack: list[tuple[Any, frozenset[str]]] = [(root, frozenset())]
    steps = 0
    while stack:
        steps += 1
        if steps % CHECKED == 0:
            current_cancellation().check()
        value, scope = stack.pop()
        if type(value) is list:
            # Nothing looks at constants, and there may be a hundred thousand of them.
            stack.extend([(item, scope) for item in value if type(item) in _INNER and not _is_constant(item)])
            continue
        # Only the second part of a recursive CTE reads itself; the first may read a table of the same name.
        itself = _own_names(value) if value.get("type") == "RECURSIVE_CTE_NODE" else set()
        inner = scope | itself
        ctes = value.get("cte_map")
        if isinstance(ctes, dict):
            for entry in ctes.get("map") or []:
                stack.append((entry["value"], inner))
                inner = inner | {str(entry["key"]).lower()}
        yield value, inner
        for key, item in value.items():
            if item and type(item) in _INNER and key != "cte_map":
                stack.append((item, inner - (itself - scope) if key == "left" else inner))


def _own_names(cte: Node) -> set[str]:
    """What a recursive CTE calls itself: its newest rows by its name, all of them by ``recurring.name``."""
    name = str(cte.get("cte_name", "")).lower()
    return {name, _recursive_name(name)}


def _recursive_name(name: str) -> str:
    return f"recurring\0{name}"  # which no name is


def _is_constant(value: Any) -> bool:
    return isinstance(value, dict) and value.get("class") == "CONSTANT"


class Tree:
    """A statement's tree, walked once for all who look at its nodes, until other nodes are put in.

    Its nodes are those of `walk`, in this order.
    """

    def __init__(self, root: Node) -> None:
        self.root = root
        self._nodes: list[tuple[Node, frozenset[str]]] | None = None
        self._kinds: dict[str, list[tuple[Node, frozenset[str]]]] = {}

    def nodes(self) -> list[tuple[Node, frozenset[str]]]:
        """What `walk` gives."""
        if self._nodes is None:
            self._nodes, self._kinds = list(walk(self.root)), {}
            for each in self._nodes:
                kind = each[0].get("class") or each[0].get("type")
                if kind:
                    self._kinds.setdefault(f"{'class' if 'class' in each[0] else 'type'} {kind}", []).append(each)
        return self._nodes

    def expressions(self, *classes: str) -> list[Node]:
        """The expressions of these classes, one class after the other."""
        return [node for kind in classes for node, _ in self._of(f"class {kind}")]

    def relations(self, *types: str) -> list[tuple[Node, frozenset[str]]]:
        """What is no expression and of these types, with the CTEs in reach: tables, queries, modifiers."""
        return [each for kind in types for each in self._of(f"type {kind}")]

    def invalidate(self) -> None:
        """Nodes were put in, or became others: it has to be walked again."""
        self._nodes = None

    def _of(self, kind: str) -> list[tuple[Node, frozenset[str]]]:
        self.nodes()
        return self._kinds.get(kind, [])


class Refusal(Exception):
    """A node that a statement cannot have, and the `error` to raise for it."""

    def __init__(self, node: Node, error: GrismError) -> None:
        super().__init__(error)
        self.node, self.error = node, error


def check(tree: Tree) -> None:
    """Raise Refusal where the statement reaches beyond tables and values, and for endless names."""
    for node, _ in tree.relations("TABLE_FUNCTION"):
        name = function_name(node.get("function") or {})
        if name not in TABLE_FUNCTIONS:
            message = f"The table function {name}() may not be used here; read tables by name, as in SELECT * FROM t."
            raise Refusal(node, ForbiddenError(message))
    for node, _ in tree.relations("SHOW_REF"):
        if not node.get("query"):
            message = "SHOW stands alone as a statement; it cannot be part of a query."
            raise Refusal(node, UnsupportedError(message))
    for node in tree.expressions("COLUMN_REF"):
        parts = len(node.get("column_names") or ())
        if parts > _MAX_NAME_PARTS:
            message = f"A name has {parts} parts; at most {_MAX_NAME_PARTS} are handled."
            raise Refusal(node, UnsupportedError(message))
    for node in tree.expressions("FUNCTION"):
        name = function_name(node)
        if name in FORBIDDEN_FUNCTIONS:
            raise Refusal(node, ForbiddenError(f"The function {name}() may not be used here."))
        if name in PRIVILEGE_FUNCTIONS:
            message = f"{name}() is not handled; information_schema.tables has the tables that you may read."
            raise Refusal(node, UnsupportedError(message))


def table_references(tree: Tree) -> list[Node]:
    """The nodes that name tables, CTEs left out."""
    return [node for node, scope in tree.relations("BASE_TABLE") if not _is_cte(table_path(node), scope)]


def _is_cte(path: tuple[str, ...], scope: frozenset[str]) -> bool:
    match [part.lower() for part in path]:
        case [name]:
            return name in scope
        case ["recurring", name]:
            return _recursive_name(name) in scope
    return False


def cte_names(tree: Tree) -> frozenset[str]:
    """The names of all CTEs, in lower case."""
    return frozenset(
        str(entry["key"]).lower()
        for node, _ in tree.nodes()
        if "cte_map" in node
        for entry in (node["cte_map"] or {}).get("map") or []
    )


def given_names(tree: Tree, besides: Collection[tuple[str, ...]] = ()) -> frozenset[str]:
    """Every name that the text gives to a column, a parameter or a relation, in lower case.

    Columns whose parts, in lower case, are among those `besides` give none.
    """
    names = {_alias(item) for item in select_items(tree)}
    for node, _ in tree.nodes():
        lists = (node.get("column_name_alias"), node.get("aliases"), node.get("unpivot_names"))
        names.update(str(name).lower() for given in lists for name in given or [])
        names.add(_alias(node))
        names.add(str(node.get("name") or "").lower())  # of an argument, as a struct's field has
        parts = tuple([str(part).lower() for part in node.get("column_names") or ()])
        if len(parts) > 1 and parts not in besides:
            names.add(parts[-1])  # which names an item without alias
        if node.get("class") == "LAMBDA":
            names.update(
                str(part["column_names"][0]).lower() for part, _ in walk(node["lhs"]) if "column_names" in part
            )
    return frozenset(names - {""})


def _alias(node: Node) -> str:
    """The alias in lower case; empty without one, and for a function under its own name, which means what it does."""
    alias = str(node.get("alias") or "").lower()
    return "" if alias == called_function(node) else alias


def inside_expressions(tree: Tree) -> frozenset[int]:
    """The identities of the nodes that belong to subqueries in expressions, in contrast to those in FROM."""
    found: set[int] = set()
    for node in tree.expressions("SUBQUERY"):
        if id(node) not in found:
            found.update(id(inner) for inner, _ in walk(node))
    return frozenset(found)


def table_path(node: Node) -> tuple[str, ...]:
    """The parts of a table's name as it is written."""
    path = (node.get("qualified_name") or {}).get("path") or [
        part for part in (node.get("catalog_name"), node.get("schema_name"), node.get("table_name")) if part
    ]
    return tuple(path)


def parameter_names(tree: Tree) -> list[str]:
    """The names of the parameters in the order in which values are given: numbers by size, others as in the text."""
    nodes = sorted(tree.expressions("PARAMETER"), key=lambda node: int(node.get("query_location") or 0))
    names = list(dict.fromkeys(str(node.get("identifier")) for node in nodes))
    return sorted(names, key=int) if all(name.isdigit() for name in names) else names


def select_items(tree: Tree) -> Iterator[Node]:
    """Every expression that stands in a SELECT list."""
    for node, _ in tree.relations("SELECT_NODE"):
        yield from node.get("select_list") or []


def unnamed_items(tree: Tree) -> Iterator[Node]:
    """Those that have no alias and could have one: a star gives its columns their own names."""
    return (item for item in select_items(tree) if not item.get("alias") and item.get("class") != "STAR")


def referenced_columns(tree: Tree) -> frozenset[str] | None:
    """The column names that the text mentions, in lower case; None where it may mean all columns."""
    names: set[str] = set()
    whole: set[str] = set()  # what a reference ends with
    relations: set[str] = set()
    for node, _ in tree.nodes():
        if node.get("column_name_alias"):
            return None
        kind = node.get("class")
        if not kind:  # not an expression
            relations.update(str(node[key]).lower() for key in ("alias", "table_name") if node.get(key))
        if kind in ("STAR", "POSITIONAL_REFERENCE") or node.get("ref_type") == "NATURAL":
            return None
        if node.get("type") in ("PIVOT", "SHOW_REF", "UNPIVOT"):
            return None
        path = node.get("column_names") or [] if kind == "COLUMN_REF" else []
        if kind == "FUNCTION":  # a method has its receiver before its name
            path = (node.get("qualified_name") or {}).get("path", ())[:-1]
        names.update(str(part).lower() for part in path)
        whole.update(str(part).lower() for part in path[-1:])
        for using in node.get("using_columns") or []:
            names.add(str(using).lower())
    # A relation's name stands for its whole row, where it is not followed by a column's.
    return None if whole & relations else frozenset(names)


def name_subqueries(tree: Tree, display: Callable[[Node], str]) -> None:
    """Give unnamed items of SELECT lists that hold subqueries the name that they have as the text stands."""
    if not tree.expressions("SUBQUERY"):
        return
    for item in unnamed_items(tree):
        inside = [node for node, _ in walk(item)]
        if not any(node.get("class") == "SUBQUERY" for node in inside):
            continue
        if not any(node.get("class") == "STAR" and node.get("columns") for node in inside):
            item["alias"] = display(item)


def replace(tree: Tree, pending: Sequence[tuple[Node, Node]], display: Callable[[Node], str]) -> None:
    """Put others in the places of nodes, in the tree itself.

    They stand where those stood. An item of a SELECT list without an alias keeps the name that it would have had:
    `display` gives it.
    """
    if not pending:
        return
    others = {id(node): other for node, other in pending}
    for item in unnamed_items(tree):
        if any(id(node) in others for node, _ in walk(item)):
            others.get(id(item), item)["alias"] = display(item)
    tree.invalidate()
    for node, chosen in pending:
        alias = chosen.get("alias") or node.get("alias", "")
        place = {key: node[key] for key in _LOCATION if key in node}
        node.clear()
        node.update(chosen)
        node.update(place, alias=alias)


def function_name(node: Node) -> str:
    """The name of the function that a node calls, in lower case; empty for another node."""
    path = (node.get("qualified_name") or {}).get("path")
    return str(path[-1] if path else node.get("function_name", "")).lower()


def called_function(node: Node) -> str:
    """The name of a function that is called without arguments, written with or without brackets; else empty."""
    if node.get("class") == "FUNCTION" and not node.get("arguments"):
        return function_name(node)
    if node.get("class") == "COLUMN_REF" and len(node.get("column_names") or []) == 1:
        return str(node["column_names"][0]).lower()
    return ""


def asked_version(node: Node) -> tuple[Version | None, datetime.datetime | None]:
    """The version or the instant that a table's AT clause asks for.

    Raises UnsupportedError for what is no constant, or neither of these, and InvalidValueError for no instant.
    """
    clause = node.get("at_clause")
    if not clause:
        return None, None
    expr = clause.get("expr") or {}
    while expr.get("child"):
        expr = expr["child"]
    value = (expr.get("literal") or {}).get("text")
    if value is None:
        raise UnsupportedError("AT takes a constant, as in AT (VERSION => 3).")
    return version_asked(str(clause.get("unit", "")), str(value))


def version_asked(unit: str, value: str) -> tuple[Version | None, datetime.datetime | None]:
    """The version or the instant that AT (unit => value) means; raises as `asked_version`."""
    match unit.upper():
        case "VERSION":
            return Tag(value.removeprefix(TAGGED)) if value.startswith(TAGGED) else value, None
        case "TAG":
            return Tag(value), None
        case "TIMESTAMP":
            return None, instant(value)
    raise UnsupportedError(
        f"AT ({unit.upper()} => ...) is not handled; use AT (VERSION => n), AT (TAG => 'name') or "
        "AT (TIMESTAMP => '...')."
    )


def instant(text: str) -> datetime.datetime:
    """The instant that a text names, of UTC where it has no zone; InvalidValueError where it names none."""
    try:
        at = datetime.datetime.fromisoformat(text)
    except ValueError:
        raise InvalidValueError(f"'{text}' is no timestamp; write it as in '2026-01-31 12:00:00'.") from None
    return at if at.tzinfo else at.replace(tzinfo=datetime.UTC)
