"""A failing query made small: parts of it, rows and columns are taken away while it goes on failing."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Iterator, Mapping
from typing import Any

import duckdb
import pyarrow as pa

from tests.harness.oracle import quote
from tests.harness.random_sql.selects import Query

__all__ = ["reduce_case", "script"]

Tables = Mapping[str, pa.Table]
Fails = Callable[[Tables, Query], bool]

_OPTIONAL = ("where_clause", "having", "qualify", "sample", "filter", "else_expr", "limit", "offset")
_LISTS = (
    "select_list",
    "modifiers",
    "orders",
    "children",
    "arguments",
    "using_columns",
    "case_checks",
    "map",
    "values",
)


def script(tables: Tables, query: Query) -> str:
    """Statements that make the tables which the query may read, and the query."""
    made = [f"CREATE TABLE {quote(name)} AS {_as_values(table)};" for name, table in tables.items()]
    return "\n".join([*made, f"{query};"])


def reduce_case(tables: Tables, query: Query, fails: Fails, seconds: float = 60.0) -> tuple[Tables, Query]:
    """The smallest tables and query that were found in that time, for which `fails` is still true."""
    until = time.monotonic() + seconds
    for _ in range(3):
        size = len(query), sum(table.num_rows for table in tables.values())
        query = _smaller_query(tables, query, fails, until)
        tables = _smaller_tables(tables, query, fails, until)
        if (len(query), sum(table.num_rows for table in tables.values())) == size:
            break
    return tables, query


def _with_order(text: str, ordered: bool) -> Query:
    query = Query(text)
    query.ordered = ordered
    return query


def _smaller_query(tables: Tables, query: Query, fails: Fails, until: float) -> Query:
    if query.ordered and fails(tables, _with_order(query, False)):
        query = _with_order(query, False)
    with duckdb.connect() as kernel:
        tree = _parse(kernel, query)
        smaller = True
        while smaller and tree is not None:
            smaller = False
            for candidate in _smaller_trees(tree):
                if time.monotonic() > until:
                    return query
                text = _write(kernel, candidate)
                if text is None or len(text) >= len(query):
                    continue
                if fails(tables, _with_order(text, query.ordered)):
                    query, tree, smaller = _with_order(text, query.ordered), candidate, True
                    break
    return query


def _parse(kernel: duckdb.DuckDBPyConnection, text: str) -> Any:
    row = kernel.execute("SELECT json_serialize_sql(?::VARCHAR)", [text]).fetchone()
    tree = json.loads(row[0]) if row else {"error": True}
    return None if tree["error"] else tree


def _write(kernel: duckdb.DuckDBPyConnection, tree: Any) -> str | None:
    try:
        row = kernel.execute("SELECT json_deserialize_sql(?::JSON)", [json.dumps(tree)]).fetchone()
    except duckdb.Error:
        return None
    return str(row[0]) if row else None


def _smaller_trees(tree: Any) -> Iterator[Any]:
    """The tree with one part less, the largest parts first."""
    edits = sorted(_edits(tree, ()), key=lambda edit: -edit[2])
    for path, part, _ in edits:
        changed = json.loads(json.dumps(tree))
        _put(changed, path, part)
        yield changed


def _edits(node: Any, path: tuple[Any, ...]) -> Iterator[tuple[tuple[Any, ...], Any, int]]:
    """Places in the tree, what may stand there instead, and by how much that is shorter."""
    if isinstance(node, dict):
        for inner in _stand_ins(node):
            yield path, inner, _size(node) - _size(inner)
        for key, value in node.items():
            if key in _OPTIONAL and value:
                yield (*path, key), None, _size(value)
            if key in _LISTS and isinstance(value, list):
                for place in range(len(value)):
                    yield (*path, key), value[:place] + value[place + 1 :], _size(value[place])
            if key in ("alias",) and value and node.get("class"):
                yield (*path, key), "", len(str(value))
            yield from _edits(value, (*path, key))
    elif isinstance(node, list):
        for place, value in enumerate(node):
            yield from _edits(value, (*path, place))


def _stand_ins(node: dict[str, Any]) -> Iterator[Any]:
    """Parts of an expression, a table or a SELECT that are of the same sort, the outermost ones."""
    sort = _sort(node)
    if not sort:
        return
    pending = list(node.values())
    while pending:
        value = pending.pop()
        if isinstance(value, dict) and _sort(value) == sort:
            yield value
        elif isinstance(value, dict):
            pending.extend(value.values())
        elif isinstance(value, list):
            pending.extend(value)


def _sort(node: dict[str, Any]) -> str:
    kind = str(node.get("type", ""))
    if "class" in node:
        return "expression"
    if kind in ("SELECT_NODE", "SET_OPERATION_NODE"):
        return "select"
    return "table" if kind in ("JOIN", "BASE_TABLE", "SUBQUERY", "TABLE_FUNCTION", "EXPRESSION_LIST") else ""


def _size(value: Any) -> int:
    return len(json.dumps(value))


def _put(tree: Any, path: tuple[Any, ...], value: Any) -> None:
    for step in path[:-1]:
        tree = tree[step]
    tree[path[-1]] = value


def _smaller_tables(tables: Tables, query: Query, fails: Fails, until: float) -> Tables:
    """Without tables, columns and rows that do not matter."""
    kept = dict(tables)

    def try_with(name: str, table: pa.Table | None) -> bool:
        if time.monotonic() > until:
            return False
        candidate = {k: v for k, v in kept.items() if k != name} if table is None else {**kept, name: table}
        if not fails(candidate, query):
            return False
        kept.clear()
        kept.update(candidate)
        return True

    for name in list(kept):
        if try_with(name, None):
            continue
        for column in tables[name].column_names:
            if kept[name].num_columns > 1:
                try_with(name, kept[name].drop_columns([column]))
        step = max(1, kept[name].num_rows // 2)
        while step:
            start = 0
            while start < kept[name].num_rows:
                table = kept[name]
                without = pa.concat_tables([table.slice(0, start), table.slice(start + step)])
                if not try_with(name, without):
                    start += step
            step //= 2
    return kept


def _as_values(table: pa.Table) -> str:
    names = ", ".join(quote(name) for name in table.column_names)
    with duckdb.connect() as kernel:
        kernel.register("given", table)
        types = [str(kind) for kind in kernel.sql("FROM given").types]
        listed = ", ".join(f"{quote(name)}::VARCHAR" for name in table.column_names)
        rows = kernel.sql(f"SELECT {listed} FROM given").fetchall()
    if not rows:
        nulls = ", ".join(
            f"NULL::{kind} AS {quote(name)}" for name, kind in zip(table.column_names, types, strict=True)
        )
        return f"SELECT {nulls} LIMIT 0"

    def literal(value: Any, kind: str) -> str:
        if value is None:
            return f"NULL::{kind}"
        return str(value) if kind == "INTEGER" else "'" + str(value).replace("'", "''") + f"'::{kind}"

    written = [f"({', '.join(literal(v, k) for v, k in zip(row, types, strict=True))})" for row in rows]
    return f"SELECT * FROM (VALUES {', '.join(written)}) AS made({names})"
