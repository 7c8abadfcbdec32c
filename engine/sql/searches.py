"""Searches in FROM, as relations that the kernel binds: `vector_search(t, 'v', [1, 2], k := 3)` is read as

    (SELECT * EXCLUDE (_rowaddr) FROM t ORDER BY _distance, _rowaddr LIMIT 3)

where `t` stands for the rows that the storage finds. What it is to find is noted at the node that names the table, and
taken from there when the table is resolved: so names, versions and rights are those of any table. `hybrid_search` is a
query over both kinds of searches, in which each row counts 1 / (60 + its place) for each that found it.
"""

from __future__ import annotations

import copy
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from engine.errors import InvalidValueError, TypeMismatchError, UnsupportedError, nearest
from engine.sql.bounds import require_bounds
from engine.sql.cte_scopes import Levels, ctes_in_reach
from engine.sql.row_scopes import RowScope, scopes_of_rows
from engine.sql.syntax import Node, Tree, function_name, name_subqueries, walk
from engine.storage.column_paths import path_text
from engine.storage.protocol import ROW_ADDRESS
from engine.storage.search import DISTANCE, MAX_K, QUERY, RELEVANCE, SCORE

__all__ = ["SEARCH", "TEXT", "VECTOR", "SearchCall", "search_calls", "searches_as_tables"]

SEARCH = "search"
"""The key of a table's node under which the arguments of its search stand."""

VECTOR, TEXT = "vectors", "texts"
"""The kinds of searches."""

_QUERY_TYPES = {VECTOR: "DOUBLE[]", TEXT: "VARCHAR"}
_ARGUMENTS = {VECTOR: "vector", TEXT: "text"}  # what each kind of search looks for

_CALL = "call"  # what stands under SEARCH at the query that has taken the place of a call

_MARK = "_search"
_K = 10
_CANDIDATES = 100

_AMONG = {"indexed_only": "BOOLEAN", "prefilter": "BOOLEAN", "filter": "VARCHAR"}
_VECTOR = {"metric": "VARCHAR", "nprobes": "BIGINT", "refine_factor": "BIGINT", "ef": "BIGINT", "use_index": "BOOLEAN"}
_TEXT = {"operator": "VARCHAR", "plain": "BOOLEAN", "demote": "VARCHAR", "demotion": "DOUBLE"}

_VECTORS = f"SELECT *{{0}} FROM x AS {VECTOR} ORDER BY {DISTANCE}, {ROW_ADDRESS} LIMIT {{1}}"
_TEXTS = f"SELECT *{{0}} FROM x AS {TEXT} ORDER BY {SCORE} DESC, {ROW_ADDRESS} LIMIT {{1}}"
_HIDDEN = f" EXCLUDE ({ROW_ADDRESS})"
_OWN = f"{DISTANCE}, {SCORE}, {RELEVANCE}"
_EACH = f"SELECT * EXCLUDE ({{2}}{QUERY}) FROM x AS {{0}} WHERE {{0}}.{QUERY} = CAST(0 AS {{1}})"


def _each(kind: str, *, hidden: bool) -> str:
    return _EACH.format(kind, _QUERY_TYPES[kind], f"{ROW_ADDRESS}, " if hidden else "")


def _fused(vectors: str, texts: str) -> str:
    return f"""SELECT * EXCLUDE ({ROW_ADDRESS}, {_OWN}), {_OWN} FROM (
    SELECT DISTINCT ON ({ROW_ADDRESS}) * REPLACE (max({DISTANCE}) OVER same AS {DISTANCE},
        max({SCORE}) OVER same AS {SCORE}, sum({RELEVANCE}) OVER same AS {RELEVANCE})
    FROM (
        SELECT *, 1::DOUBLE / (60 + row_number() OVER (ORDER BY {DISTANCE}, {ROW_ADDRESS})) AS {RELEVANCE}
        FROM ({vectors})
        UNION ALL BY NAME
        SELECT *, 1::DOUBLE / (60 + row_number() OVER (ORDER BY {SCORE} DESC, {ROW_ADDRESS})) AS {RELEVANCE}
        FROM ({texts})
    ) WINDOW same AS (PARTITION BY {ROW_ADDRESS})
) ORDER BY {RELEVANCE} DESC, {ROW_ADDRESS} LIMIT {_K}"""


@dataclass(frozen=True)
class _Function:
    """A search: its arguments, of which the last one may be left out; its options with the kernel's types of values.

    `query` is what takes the place of a call, `each` where what it looks for is in rows.
    """

    arguments: tuple[str, ...]
    optional: bool
    options: dict[str, str]
    query: str
    each: str


_FUNCTIONS = {
    "vector_search": _Function(
        ("table", "column", "vector"),
        False,
        {"k": "BIGINT", **_VECTOR, **_AMONG},
        _VECTORS.format(_HIDDEN, _K),
        _each(VECTOR, hidden=True),
    ),
    "text_search": _Function(
        ("table", "text", "columns"),
        True,
        {"k": "BIGINT", **_TEXT, **_AMONG},
        _TEXTS.format(_HIDDEN, _K),
        _each(TEXT, hidden=True),
    ),
    "hybrid_search": _Function(
        ("table", "column", "vector", "text", "columns"),
        True,
        {"k": "BIGINT", "candidates": "BIGINT", **_VECTOR, **_TEXT, **_AMONG},
        _fused(_VECTORS.format("", _CANDIDATES), _TEXTS.format("", _CANDIDATES)),
        _fused(_each(VECTOR, hidden=False), _each(TEXT, hidden=False)),
    ),
}


@dataclass(frozen=True)
class SearchCall:
    """A search of vectors or of texts in a statement: what it is called with, and where it stands.

    `kind` is `VECTOR` or `TEXT`, `columns` is what it searches, `query` what for. `condition` is what rows have to meet
    to be searched. `table` stands for what is found, `inner` is the SELECT over it, `outer` the one whose FROM is the
    call alone, if there is one. `fused` is how many rows a call wants of several searches together. With `each` the
    query is an expression over rows: those of the `scopes` in which the call stands, where `ctes` are in reach.
    `is_beside` tells that the last of these is what stands left of the call itself.
    """

    function: str
    kind: str
    columns: tuple[str, ...]
    query: Node
    given: dict[str, Node]
    condition: Node | None
    k: Node
    fused: Node | None
    each: bool
    table: Node
    inner: Node
    outer: Node | None
    scopes: tuple[RowScope, ...]
    is_beside: bool
    ctes: Levels

    @property
    def options(self) -> dict[str, Node]:
        """The options of this kind that are given by their names; `k` always is."""
        own = {**(_VECTOR if self.kind == VECTOR else _TEXT), **_AMONG}
        given = {name: node for name, node in self.given.items() if name in own}
        return {"k": self.k, **given}

    @property
    def query_type(self) -> str:
        """The kernel's type of queries that are in rows."""
        return _QUERY_TYPES[self.kind]

    @property
    def types(self) -> dict[str, str]:
        """The kernel's types of all options that there are."""
        return _FUNCTIONS[self.function].options


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
    calls = [(node, name) for node, name in functions if name in _FUNCTIONS]
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
    tree.invalidate()
    return calls


def _calls(tree: Tree) -> Iterator[SearchCall]:
    outer: dict[int, Node] = {}
    for select, _ in tree.relations("SELECT_NODE"):
        call = select.get("from_table") or {}
        if call.get(SEARCH) == _CALL:
            outer.update((id(inner), select) for inner, _ in walk(call) if SEARCH in inner)
    beside = {
        id(inner)
        for join, _ in tree.relations("JOIN")
        if (join.get("right") or {}).get(SEARCH) == _CALL
        for inner, _ in walk(join["right"])
        if SEARCH in (inner.get("from_table") or {})
    }
    for call, _ in tree.relations("SUBQUERY"):
        call.pop(SEARCH, None)
    reach: dict[int, Levels] = {}
    scopes: dict[int, tuple[RowScope, ...]] = {}
    for select, _ in tree.relations("SELECT_NODE"):
        table = select.get("from_table") or {}
        if isinstance(table.get(SEARCH), dict):
            noted = table[SEARCH]
            if noted["each"]:
                reach, scopes = reach or ctes_in_reach(tree.root), scopes or scopes_of_rows(tree.root)
            yield SearchCall(
                **noted,
                table=table,
                inner=select,
                outer=outer.get(id(table)),
                scopes=scopes.get(id(select), ()),
                is_beside=id(select) in beside,
                ctes=reach.get(id(select), ()),
            )


def _put_query(node: Node, name: str, parse: Callable[[str], Node]) -> None:
    """Put the query in the place of a call."""
    if node.get("with_ordinality", "WITHOUT_ORDINALITY") != "WITHOUT_ORDINALITY":
        raise UnsupportedError(f"WITH ORDINALITY is not handled for {name}; number the rows with row_number().")
    given, options = _arguments(node["function"], name)
    each = any(_is_of_rows(given[argument]) for argument in _ARGUMENTS.values() if argument in given)
    query = copy.deepcopy(parse(_FUNCTIONS[name].each if each else _FUNCTIONS[name].query)["node"])
    place = {key: node.get(key) for key in ("query_location", "query_location_length")}
    selects = []
    for inner, _ in walk(query):
        if "query_location" in inner:
            inner.update(place)
        if (inner.get("from_table") or {}).get("alias") in (VECTOR, TEXT):
            selects.append(inner)
    k = options.get("k") or _constant(parse, _K)
    if query["modifiers"]:
        query["modifiers"][-1]["limit"] = k
    named = _table(given["table"], parse, name)
    text = options.pop("filter", None)
    condition = None if text is None else _condition(text, parse, name)
    fused = None if len(selects) == 1 else k
    for select in selects:
        kind = select["from_table"]["alias"]
        own = k if fused is None else options.get("candidates") or _candidates(k, parse)
        sought = given[_ARGUMENTS[kind]]
        if each:
            select["where_clause"]["right"]["child"] = sought
        else:
            select["modifiers"][-1]["limit"] = own
        select["from_table"].update(copy.deepcopy(named))
        select["from_table"][SEARCH] = {
            "function": name,
            "kind": kind,
            "columns": (_column(given["column"], name),) if kind == VECTOR else _columns(given.get("columns"), name),
            "query": sought,
            "given": options,
            "condition": copy.deepcopy(condition),
            "k": own,
            "fused": fused,
            "each": each,
        }
    kept = {key: node.get(key) for key in ("sample", "column_name_alias", *place)}
    alias = node.get("alias") or name
    node.clear()
    node.update(kept, type="SUBQUERY", alias=alias, subquery={"node": query, "named_param_map": []})
    node[SEARCH] = _CALL


def _condition(node: Node, parse: Callable[[str], Node], name: str) -> Node:
    """The tree of a condition that is given as a text. It becomes a part of the statement's, and is checked as that."""
    text = _string(node)
    if text is not None:
        require_bounds(text)
        parsed = parse(f"SELECT {text}\n")["node"]
        items = parsed.get("select_list") or []
        more = ("modifiers", "where_clause", "group_expressions", "having", "qualify", "sample")
        alone = parsed.get("type") == "SELECT_NODE" and len(items) == 1 and not any(parsed.get(key) for key in more)
        if alone and parsed["from_table"].get("type") == "EMPTY":
            inside = [inner for inner, _ in walk({"item": items[0]})]
            if not any(inner.get("class") in ("PARAMETER", "SUBQUERY", "WINDOW") for inner in inside):
                found: Node = items[0]
                return found
    raise InvalidValueError(
        f"The option filter of {name} is one condition as a text, without parameters and queries, as in "
        "filter := 'price < 10'."
    )


def _is_of_rows(node: Node) -> bool:
    """Whether an expression has columns, or a query, in it: other ones than those that it names itself."""
    if node.get("class") in ("COLUMN_REF", "SUBQUERY"):
        return True
    if node.get("class") == "LAMBDA":
        return False
    inner = [item for value in node.values() for item in (value if isinstance(value, list) else [value])]
    return any(isinstance(item, dict) and _is_of_rows(item) for item in inner)


def _constant(parse: Callable[[str], Node], number: int) -> Node:
    found: Node = parse(f"SELECT {number}")["node"]["select_list"][0]
    return found


def _candidates(k: Node, parse: Callable[[str], Node]) -> Node:
    """How many rows each of several searches finds, where `k` are wanted of them together."""
    literal = k.get("literal") or {}
    if literal.get("kind") == "INTEGER":
        return _constant(parse, min(MAX_K, max(_CANDIDATES, 2 * int(literal["text"]))))
    text = f"SELECT CAST(least({MAX_K}, greatest({_CANDIDATES}, 2 * CAST(0 AS BIGINT))) AS BIGINT)"
    found: Node = parse(text)["node"]["select_list"][0]
    for node, _ in walk(found):
        if node.get("class") == "CAST" and node["child"].get("class") == "CONSTANT":
            node["child"] = copy.deepcopy(k)
    return found


def _arguments(call: Node, name: str) -> tuple[dict[str, Node], dict[str, Node]]:
    """The arguments by position, under their names, and the options."""
    positional: list[Node] = []
    options: dict[str, Node] = {}
    function = _FUNCTIONS[name]
    wanted = function.arguments
    for argument in call.get("arguments") or ():
        expression = argument["expression"]
        key = str(argument.get("name") or expression.get("alias") or "").lower()
        if not key and expression.get("type") == "COMPARE_EQUAL" and len(_path(expression["left"])) == 1:
            key, expression = _path(expression["left"])[0].lower(), expression["right"]
        expression = {**expression, "alias": ""}
        if not key or (function.optional and key == wanted[-1] and len(positional) == len(wanted) - 1):
            positional.append(expression)
        elif key not in function.options:
            near = nearest(key, function.options)
            hint = f'did you mean "{near}"?' if near else f"there are {', '.join(function.options)}."
            raise InvalidValueError(f'{name} has no option "{key}"; {hint}')
        elif key in options:
            raise InvalidValueError(f'The option "{key}" of {name} is given twice.')
        else:
            options[key] = expression
    if not len(wanted) - function.optional <= len(positional) <= len(wanted):
        raise TypeMismatchError(
            f"{name} takes {len(wanted)} arguments and then options by their names, {len(positional)} were given: "
            f"{_usage(name)}."
        )
    return dict(zip(wanted, positional, strict=False)), options


def _usage(name: str) -> str:
    function = _FUNCTIONS[name]
    return f"{name}({', '.join(function.arguments)}, k := {_K}, ...)"


def _path(node: Node) -> list[str]:
    return list(node.get("column_names") or ()) if node.get("class") == "COLUMN_REF" else []


def _string(node: Node) -> str | None:
    literal = node.get("literal") or {}
    return str(literal["text"]) if node.get("class") == "CONSTANT" and literal.get("kind") == "STRING" else None


def _column(node: Node, name: str) -> str:
    """The name of a column, written as one or as a text."""
    path = _path(node)
    found = path[0] if len(path) == 1 else _string(node)
    if not found:
        raise TypeMismatchError(f"The columns of a search are given by their names: {_usage(name)}.")
    return found


def _columns(node: Node | None, name: str) -> tuple[str, ...]:
    """The names of columns: one, or a list; none where all are meant."""
    if node is None:
        return ()
    if function_name(node) != "list_value":
        return (_path_of(node, name),)
    return tuple(_path_of(argument["expression"], name) for argument in node.get("arguments") or ())


def _path_of(node: Node, name: str) -> str:
    """The name of a column, or the path of a field within one, which may lie in a text, too."""
    path = _path(node)
    return path_text(path) if len(path) > 1 else _column(node, name)


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
        f"{_usage(name)}."
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
