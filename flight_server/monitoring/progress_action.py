"""The action ``QueryProgress``: how far a client's statement is, asked on another connection.

A client that wants to ask later sends a value of its own making with its calls, as the header `TAG_HEADER`. The action
takes that as a `google.protobuf.StringValue` and answers with a `google.protobuf.Struct`, or with nothing where nothing
runs. It waits for no turn, so it tells of what is planned or waits, too.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING

from google.protobuf.struct_pb2 import Struct
from google.protobuf.wrappers_pb2 import StringValue

from flight_server.monitoring.query import TAG_HEADER
from flight_server.monitoring.registry import QueryRegistry

if TYPE_CHECKING:
    from engine.rights import Grants

__all__ = ["ACTION", "TAG_HEADER", "StringValue", "query_progress"]

ACTION = "QueryProgress"


def query_progress(registry: QueryRegistry, grants: Grants, tag: StringValue) -> Iterable[Struct]:
    """What there is to tell of the newest query that runs under a tag, of one's own: ``id``, ``state``, ``rows``,
    ``bytes``, ``received``, and ``progress`` and ``doing`` (NULL where unknown) as in ``system.queries``."""
    query = registry.find_tagged(tag.value, grants)
    if query is None:
        return
    told = Struct()
    described = query.describe()
    told.update({name: described[name] for name in ("id", "state", "progress", "doing", "rows", "bytes", "received")})
    yield told
