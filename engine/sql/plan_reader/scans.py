"""What a scan of a bound plan takes out of its columns, and what its rows meet."""

from __future__ import annotations

from typing import Any

from sqlglot import exp

from engine.sql.plan_reader.expressions import Expressions, table_filters
from engine.sql.plan_reader.not_read import NotRead

__all__ = ["field_path", "scan_filters"]

Json = dict[str, Any]


def field_path(index: Json) -> list[str]:
    """The names of the fields, one in another, that a scan takes out of a column; none where it gives the column."""
    if not index.keys() - {"index"}:
        return []
    if index.get("index_type") != "PUSHDOWN_EXTRACT":
        raise NotRead("a scan of a column's parts")
    path = []
    kind, inner = index["type"], index["child_indexes"]
    while inner:
        (child,) = inner
        if kind["id"] != "STRUCT":
            raise NotRead("a part of a column that is no struct")
        field = kind["type_info"]["child_types"][child.get("index", 0)]
        if not field["first"]:
            raise NotRead("a field without a name")
        path.append(field["first"])
        kind, inner = field["second"], child.get("child_indexes")
    return path


def scan_filters(node: Json, positions: tuple[str, ...]) -> list[exp.Expr]:
    """What the rows of a scan meet: conditions of one column, and those of several."""
    single = {key: value for key, value in node.items() if key != "multi_column_filters"}
    filters = table_filters(single, positions) if single else []
    for several in node.get("multi_column_filters", ()):
        if several.keys() != {"filter_type", "expr", "column_indexes"}:
            raise NotRead("a filter of several columns of another kind")
        own = tuple(positions[i] for i in several["column_indexes"])
        filters.append(Expressions(own).scalar(several["expr"]))
    return filters
