"""Functions that tell the time or the session: each has one value in a whole statement, the same on every worker."""

from __future__ import annotations

import datetime

import pyarrow as pa

from engine.sql.literals import literal
from engine.sql.syntax import Node, called_function
from engine.storage.protocol import CATALOG

__all__ = ["INSTANTS", "USERS", "session_function", "session_value"]

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
}
"""The functions that tell the time, with their types."""

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
