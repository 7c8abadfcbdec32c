"""Plain Flight: tables by path descriptor, ``[table]`` or ``[schema, table]``, to read and to upload to."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import pyarrow as pa
from pyarrow import flight

from engine.storage.protocol import TableName, WriteMode
from flight_server.endpoint.streams import ResultStream
from flight_server.proto import flight as messages
from flight_server.service.metadata import Metadata
from flight_server.service.request import Offer, Request
from flight_server.service.statements import Statements
from flight_server.service.uploads import Upload
from flight_server.service.wire import BadRequestError

__all__ = ["Tables"]


class Tables:
    """What a client without Flight SQL works with."""

    def __init__(self, statements: Statements, metadata: Metadata) -> None:
        self._statements = statements
        self._metadata = metadata
        self._storage = statements.runtime.storage

    def name(self, request: Request, path: Sequence[bytes | str]) -> TableName:
        """The table that a path names; BadRequestError where it is no path of one or two names."""
        try:
            parts = [part.decode() if isinstance(part, bytes) else part for part in path]
        except UnicodeDecodeError:
            parts = []
        match parts:
            case [str(table)] if table:
                return TableName(request.session.schema, table)
            case [str(schema), str(table)] if schema and table:
                return TableName(schema, table)
        raise BadRequestError("A path descriptor names a table: [table] or [schema, table].")

    def list(self, request: Request) -> Iterator[tuple[TableName, Offer]]:
        """Every table, with a ticket that reads it as it is when the ticket is used."""
        del request
        snapshot = self._storage.snapshot()
        for name in self._storage.tables():
            path = messages.FlightDescriptor(type=messages.FlightDescriptor.PATH, path=[name.schema, name.table])
            yield name, Offer(self._metadata.table_schema(name, snapshot), path)

    def info(self, request: Request, path: Sequence[bytes | str]) -> Offer:
        """Plan to read all of a table as it is now."""
        return self._statements.offer(request, self._statements.plan_table(self.name(request, path)), 1)

    def schema(self, request: Request, path: Sequence[bytes | str]) -> pa.Schema:
        """A table's schema."""
        return self._statements.plan_table(self.name(request, path)).schema

    def fetch(self, request: Request, descriptor: messages.FlightDescriptor) -> ResultStream:
        """Read a table that was listed."""
        return self._statements.plan_table(self.name(request, descriptor.path)).open(request)

    def put(self, request: Request, path: Sequence[bytes | str], reader: flight.MetadataRecordBatchReader) -> int:
        """Create a table from an upload, or append to it: all rows, or none. Returns how many."""
        upload = Upload(request, reader)
        return upload.into(lambda data: self._storage.write(self.name(request, path), data, WriteMode.CREATE_APPEND))
