"""Over which rows a query in a statement's tree stands: of what is left of it in FROM, and of the queries around it.

FROM q, LATERAL (SELECT ... FROM p, f(x))       f may name columns of p, and of q
SELECT (SELECT ... FROM f(x)) FROM q            and here those of q
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from engine.sql.syntax import Node

__all__ = ["RowScope", "scopes_of_rows"]


@dataclass(frozen=True)
class RowScope:
    """A FROM, or the part of it that is seen, and the condition that its rows meet where they count.

    `beside` is what the condition is about as well: the part that is not seen.
    """

    rows: Node
    above: Node | None
    beside: Node | None = None


def scopes_of_rows(root: Node) -> dict[int, tuple[RowScope, ...]]:
    """The rows over which each SELECT in a tree stands, by the identities of their nodes; those farthest out first."""
    found: dict[int, tuple[RowScope, ...]] = {}
    stack: list[tuple[Any, tuple[RowScope, ...], Node | None]] = [(root, (), None)]
    while stack:
        value, scopes, above = stack.pop()
        if isinstance(value, list):
            stack.extend((item, scopes, None) for item in value)
        if not isinstance(value, dict):
            continue
        others = scopes
        if value.get("type") == "SELECT_NODE":
            found[id(value)] = scopes
            rows = value["from_table"]
            stack.append((rows, scopes, value.get("where_clause")))
            if rows.get("type") != "EMPTY":
                others = (*scopes, RowScope(rows, value.get("where_clause")))
        elif value.get("type") == "JOIN" and "left" in value:
            stack.append((value["left"], scopes, None))
            stack.append((value["right"], (*scopes, RowScope(value["left"], above, value["right"])), None))
            pairs = {**value, "condition": None, "join_type": "INNER", "ref_type": "CROSS"}
            others = (*scopes, RowScope(pairs, None))
        seen_elsewhere = ("from_table", "left", "right") if others is not scopes or id(value) in found else ()
        for key, item in value.items():
            if key not in seen_elsewhere:
                stack.append((item, scopes if key == "cte_map" else others, None))
    return found
