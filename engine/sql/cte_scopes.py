"""Which CTEs are in reach of a query in a statement's tree: those around it, and those before it under the same WITH.

Several queries of a statement may have CTEs of one name, and a CTE is not in reach of itself unless it is recursive.
"""

from __future__ import annotations

import copy
from collections.abc import Sequence
from typing import Any

from engine.kernel import Kernel
from engine.sql.syntax import Node, walk

__all__ = ["Levels", "among", "ctes_in_reach"]

Levels = tuple[tuple[Node, ...], ...]
"""The entries of WITH clauses that are in reach, those of the outermost query first."""


def ctes_in_reach(root: Node) -> dict[int, Levels]:
    """The CTEs in reach of each SELECT in a tree, by the identities of their nodes."""
    found: dict[int, Levels] = {}
    stack: list[tuple[Any, Levels, Node | None]] = [(root, (), None)]
    while stack:
        value, levels, own = stack.pop()
        if isinstance(value, list):
            stack.extend((item, levels, own) for item in value)
            continue
        if not isinstance(value, dict):
            continue
        entries = tuple((value.get("cte_map") or {}).get("map") or ())
        stack.extend((entry["value"], (*levels, entries[:i]), entry) for i, entry in enumerate(entries))
        inner = (*levels, entries) if entries else levels
        if value.get("type") == "SELECT_NODE":
            found[id(value)] = inner
        for key, item in value.items():
            if key != "cte_map":
                # Only the second part of a recursive CTE reads itself.
                itself = value.get("type") == "RECURSIVE_CTE_NODE" and key == "right" and own is not None
                stack.append((item, (*inner, (own,)) if itself and own else inner, own))
    return found


def among(kernel: Kernel, select: Node, column: str, levels: Sequence[Sequence[Node]]) -> Node:
    """A SELECT that gives one `column`, with those of the CTEs in reach that it names, or that such a one names."""
    named, node = _tables(select), select
    for level in reversed(levels):
        kept: list[Node] = []
        for entry in reversed(level):
            if str(entry["key"]).lower() in named:
                kept.insert(0, entry)
                named |= _tables(entry["value"])
        if kept:
            if (node.get("cte_map") or {}).get("map"):
                around = kernel.parse(f"SELECT {column} FROM (SELECT 1 AS {column})")["node"]
                around["from_table"]["subquery"]["node"] = node
                node = around
            node = {**node, "cte_map": {"map": copy.deepcopy(kept)}}
    return node


def _tables(node: Node) -> set[str]:
    """The names of tables and CTEs in a part of a tree, in lower case."""
    return {str(n["table_name"]).lower() for n, _ in walk({"item": node}) if n.get("type") == "BASE_TABLE"}
