"""Functions that tell the time or the session: each has one value in a whole statement, the same on every worker."""

from __future__ import annotations

import datetime
from collections.abc import Callable

import pyarrow as pa

from engine.literals import literal
from engine.sql.syntax import Node, called_function, function_name
from engine.storage.protocol import CATALOG

__all__ = ["INSTANTS", "SINCE", "USERS", "session_function", "session_value", "since_function", "since_value"]

INSTANTS = {
    "now": "TIMESTAMP WITH TIME ZONE",
    "get_current_timestamp": "TIMESTAMP WITH TIME ZONE",
    "transaction_timestamp": "TIMESTAMP WITH TIME ZONE",
    "current_timestamp": "TIMESTAMP WITH TIME ZONE",
    "current_date": "DATE",
    "today": "DATE",
    "current_time": "TIME WITH TIME ZONE",
    "get_current_time": "TIME WITH TIME ZONE",
    "localtime": "TIME",
    "current_localtime": "TIME",
    "localtimestamp": "TIMESTAMP",
    "current_localtimestamp": "TIMESTAMP",
    "pg_conf_load_time": "TIMESTAMP WITH TIME ZONE",
    "pg_postmaster_start_time": "TIMESTAMP WITH TIME ZONE",
}
"""The functions that tell the time, with their types."""

SINCE = {"ago": "current_timestamp", "age": "current_date"}
"""The functions of one argument that tell how the time stands to it, with those that tell the time."""

USERS = frozenset({"current_user", "session_user", "user", "current_role"})
"""The functions that tell who asks."""

_BARE_ONLY = frozenset({"current_timestamp", "current_time", "localtime", "localtimestamp"})
_BARE = _BARE_ONLY | USERS | {"current_date", "current_catalog", "current_schema"}
_CALLED = INSTANTS.keys() - _BARE_ONLY | USERS | {"current_catalog", "current_database", "current_schema"}


def session_function(node: Node) -> str:
    """The function of the time or the session that `node` calls, with brackets or as a bare word; else empty.

    A bare word may as well be a column.
    """
    name = called_function(node)
    return name if name in (_BARE if node.get("class") == "COLUMN_REF" else _CALLED) else ""


def since_function(node: Node) -> str:
    """The function of `SINCE` that `node` calls with one argument; else empty."""
    if node.get("class") != "FUNCTION" or len(node.get("arguments") or ()) != 1:
        return ""
    name = function_name(node)
    return name if name in SINCE else ""


def since_value(name: str, argument: Node, now: datetime.datetime, parse: Callable[[str], Node]) -> Node:
    """What the function gives for `argument` at the instant `now`; `parse` gives the tree of an expression."""
    instant = session_value(SINCE[name], now, "", "")
    if name == "age":
        call = parse(f"age({instant}, 0)")
        call["arguments"][1]["expression"] = argument
    else:
        call = parse(f"{instant} - CAST(0 AS INTERVAL)")
        call["arguments"][1]["expression"]["child"] = argument
    return call


def session_value(name: str, now: datetime.datetime, schema: str, user: str) -> str:
    """What the function tells, as a constant in the kernel's language.

    `now` is in UTC, `schema` the session's, `user` who asks.
    """
    if name == "current_schema":
        return literal(pa.scalar(schema))
    if name in USERS:
        return literal(pa.scalar(user))
    kind = INSTANTS.get(name)
    if kind is None:
        return literal(pa.scalar(CATALOG))
    zoned = kind.endswith("TIME ZONE")
    instant = literal(pa.scalar(now, pa.timestamp("us", "UTC" if zoned else None)))
    return instant if instant.endswith(f" AS {kind})") else f"CAST({instant} AS {kind})"
