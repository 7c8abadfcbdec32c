"""The schemas that listings tell, encoded once for each version of a table."""

from __future__ import annotations

import pyarrow as pa

from engine.cache import LruCache
from engine.statements.relations import Relations
from engine.statements.session import Session
from engine.storage.protocol import Snapshot, TableHandle, TableName
from engine.travel_types import Boundary
from flight_server.column_metadata import annotate
from flight_server.service.wire import schema_bytes

__all__ = ["ListedSchemas"]

_KEPT = 4096


class ListedSchemas:
    """Arrow schemas as IPC messages, each field with what drivers read of its column. Thread-safe."""

    def __init__(self, relations: Relations) -> None:
        self._relations = relations
        self._encoded: LruCache[tuple[TableHandle, Boundary], bytes] = LruCache(_KEPT)

    def encode(self, session: Session, snapshot: Snapshot, name: TableName, kind: str) -> bytes:
        """The schema in which the session's client gets the rows, and NOT NULL; without fields where it is not read."""
        handle = self._relations.version(snapshot, name, kind)
        found = None if handle is None else self._encoded.get((handle, session.boundary))
        if found is None:
            schema = self._relations.schema(session, snapshot, name, kind)
            columns = self._relations.columns(session, snapshot, name, kind)
            told = [field.with_nullable(c.nullable) for field, c in zip(schema, columns, strict=False)]
            read_only = handle is None or handle.kind == "parquet"
            found = schema_bytes(annotate(pa.schema(told, schema.metadata), (name,) * len(told), read_only))
            if handle is not None and len(schema):
                self._encoded.put((handle, session.boundary), found)
        return found
