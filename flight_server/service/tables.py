"""Plain Flight: tables by path descriptor, ``[table]`` or ``[schema, table]``, to read and to upload to."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import pyarrow as pa

from engine.statements.catalog import TABLE_TYPE
from engine.storage.protocol import TableName, WriteMode
from flight_server.column_metadata import annotate
from flight_server.endpoint.incoming_data import IncomingData
from flight_server.endpoint.streams import ResultStream
from flight_server.proto import flight as messages
from flight_server.service.request import Offer, Request
from flight_server.service.statements import Statements
from flight_server.service.uploads import Took, Uploads
from flight_server.service.wire import BadRequestError

__all__ = ["Tables"]


class Tables:
    """What a client without Flight SQL works with."""

    def __init__(self, statements: Statements, uploads: Uploads) -> None:
        self._statements = statements
        self._catalog = statements.database.catalog
        self._uploads = uploads

    def path(self, path: Sequence[bytes | str]) -> tuple[str, ...]:
        """The names in a path; BadRequestError where they are not one or two."""
        try:
            parts = [part.decode() if isinstance(part, bytes) else part for part in path]
        except UnicodeDecodeError:
            parts = []
        match parts:
            case [str(table)] if table:
                return (table,)
            case [str(schema), str(table)] if schema and table:
                return schema, table
        raise BadRequestError("A path descriptor names a table: [table] or [schema, table].")

    def list(self, request: Request) -> Iterator[tuple[TableName, Offer]]:
        """Every table, with a ticket that reads it as it is when the ticket is used."""
        snapshot = self._catalog.snapshot(request.session)
        for name in self._catalog.tables(request.session):
            schema = self._statements.database.relations.schema(request.session, snapshot, name, TABLE_TYPE)
            path = messages.FlightDescriptor(type=messages.FlightDescriptor.PATH, path=[name.schema, name.table])
            yield name, Offer(annotate(schema, (name,) * len(schema)), path)

    def info(self, request: Request, path: Sequence[bytes | str]) -> Offer:
        """Plan to read all of a table as it is now."""
        return self._statements.offer(request, self._statements.start_table(request, self.path(path)), 1)

    def schema(self, request: Request, path: Sequence[bytes | str]) -> pa.Schema:
        """A table's schema."""
        return self._statements.start_table(request, self.path(path)).schema

    def fetch(self, request: Request, descriptor: messages.FlightDescriptor) -> ResultStream:
        """Read a table that was listed."""
        return self._statements.open(request, self._statements.start_table(request, self.path(descriptor.path)))

    def put(self, request: Request, path: Sequence[bytes | str], reader: IncomingData, took: Took) -> int:
        """Append an upload to a table, which is made where it is not there: all rows, or none. Returns how many.

        `took` is told while it comes in.

        Raises ForbiddenError, and the errors of `Uploads.store`.
        """
        target, mode = self._catalog.upload_target(request.session, self.path(path), WriteMode.CREATE_APPEND)
        self._catalog.require_no_view(target)
        return self._uploads.store(request, reader, target, mode, took)
