"""The kernel's table functions about its catalog, as tables: `duckdb_tables()` means those of the session."""

from __future__ import annotations

from engine.sql.syntax import Node, function_name, walk
from engine.storage.protocol import TableName

__all__ = ["INFORMATION_SCHEMA", "functions_as_tables", "is_catalog_function"]

INFORMATION_SCHEMA = "information_schema"
"""Where they are, under names that end with brackets."""

_FUNCTIONS = frozenset(
    f"duckdb_{what}"
    for what in ("columns", "constraints", "databases", "indexes", "schemas", "settings", "tables", "views")
)
_MARK = "duckdb_"
_ONE_FUNCTION = "WITHOUT_ORDINALITY"


def functions_as_tables(text: str, root: Node) -> Node:
    """`root`, the tree of `text`, in which calls without arguments name tables of `INFORMATION_SCHEMA`."""
    if _MARK not in text.lower():
        return root
    for node, _ in list(walk(root)):
        if node.get("type") != "TABLE_FUNCTION" or node.get("with_ordinality", _ONE_FUNCTION) != _ONE_FUNCTION:
            continue
        function = node.get("function") or {}
        name = function_name(function)
        if name in _FUNCTIONS and not function.get("arguments"):
            _name_table(node, name)
    return root


def is_catalog_function(table: TableName) -> bool:
    """Whether a table is what a call means."""
    return table.schema == INFORMATION_SCHEMA and table.table.endswith("()")


def _name_table(node: Node, name: str) -> None:
    kept = {key: node.get(key) for key in ("sample", "query_location", "query_location_length", "column_name_alias")}
    alias = node.get("alias") or name
    node.clear()
    node.update(
        kept,
        type="BASE_TABLE",
        alias=alias,
        catalog_name="",
        schema_name=INFORMATION_SCHEMA,
        table_name=f"{name}()",
        at_clause=None,
        qualified_name={"path": [INFORMATION_SCHEMA, f"{name}()"]},
    )
