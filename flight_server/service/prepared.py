"""Prepared statements for queries.

A handle stands for a text and, once parameters were bound, for them too: binding answers with a new handle and leaves
the old one as it was, so no call depends on which was made before it. The handles that come from one another belong
together: closing one closes all of them. Clients that do not read the answer to a binding ask for the statement's own
handle again; that runs with what was bound to it last.
"""

from __future__ import annotations

import secrets
import threading
from collections import OrderedDict
from collections.abc import Iterable
from dataclasses import dataclass, field

import pyarrow as pa
from pyarrow import flight

from engine.errors import DataCorruptError, ResourceExhaustedError, TypeMismatchError
from flight_server.config import ServiceOptions
from flight_server.proto import sql
from flight_server.service.columns import annotate
from flight_server.service.request import Offer, Planned, Request
from flight_server.service.statements import Parameters, Statements, is_update
from flight_server.service.store import HandleStore
from flight_server.service.wire import BadRequestError, schema_bytes

__all__ = ["PreparedStatements"]

_HANDLE_SIZE = 16
_MAX_BINDINGS = 64  # of one statement; a client moves on to the newest, so the oldest can go
_MAX_TEXT = 256_000_000  # bytes of text of all prepared statements


@dataclass
class _Prepared:
    text: str
    parameters: pa.Schema
    bound: Parameters | None = None  # to the statement's own handle
    bindings: OrderedDict[bytes, Parameters] = field(default_factory=OrderedDict)
    lock: threading.Lock = field(default_factory=threading.Lock)


class PreparedStatements:
    """Creates, binds, plans and closes prepared statements."""

    def __init__(self, statements: Statements, options: ServiceOptions) -> None:
        self._statements = statements
        self._options = options
        self._open: HandleStore[_Prepared] = HandleStore(
            "prepared statements", options.prepared_ttl, options.max_prepared, _MAX_TEXT, sliding=True
        )

    def create(
        self, request: Request, message: sql.ActionCreatePreparedStatementRequest
    ) -> Iterable[sql.ActionCreatePreparedStatementResult]:
        """CreatePreparedStatement: a handle, the result's schema and the parameters' schema."""
        self._statements.check_size(message.query)
        with self._statements.queries.timed(request):
            parameters = self._statements.parameters(request, message.query)
            update = is_update(message.query)
            schema = None if update else annotate(self._statements.result_schema(request, message.query, parameters))
        handle = self._open.put(_Prepared(message.query, parameters), request.identity, len(message.query))
        yield sql.ActionCreatePreparedStatementResult(
            prepared_statement_handle=handle,
            dataset_schema=b"" if schema is None else schema_bytes(schema),
            parameter_schema=schema_bytes(parameters),
            is_update=update,
        )

    def close(
        self, request: Request, message: sql.ActionClosePreparedStatementRequest
    ) -> Iterable[sql.ActionCreatePreparedStatementResult]:
        """ClosePreparedStatement: forget a statement and all that was bound to it. Answers with nothing."""
        self._open.remove(message.prepared_statement_handle[:_HANDLE_SIZE], request.identity)
        return ()

    def bind(
        self, request: Request, command: sql.CommandPreparedStatementQuery, reader: flight.MetadataRecordBatchReader
    ) -> sql.DoPutPreparedStatementResult:
        """DoPut of parameters: a new handle that has them bound."""
        prepared, _ = self._find(request, command.prepared_statement_handle)
        rows = _read_parameters(reader, self._options.max_parameter_rows)
        _check_width(prepared, reader.schema)
        binding = secrets.token_bytes(_HANDLE_SIZE)
        with prepared.lock:
            prepared.bindings[binding] = rows
            if len(command.prepared_statement_handle) == _HANDLE_SIZE:
                prepared.bound = rows
            while len(prepared.bindings) > _MAX_BINDINGS:
                prepared.bindings.popitem(last=False)
        handle = command.prepared_statement_handle[:_HANDLE_SIZE] + binding
        return sql.DoPutPreparedStatementResult(prepared_statement_handle=handle)

    def info(self, request: Request, command: sql.CommandPreparedStatementQuery) -> Offer:
        """Plan a prepared query with what is bound to the handle."""
        prepared, _ = self._find(request, command.prepared_statement_handle)
        planned = self._plan(request, command)
        return self._statements.offer(request, planned, len(prepared.text))

    def schema(self, request: Request, command: sql.CommandPreparedStatementQuery) -> pa.Schema:
        """The schema of a prepared query's result."""
        prepared, rows = self._bound(request, command.prepared_statement_handle)
        return self._statements.schema_of(request, prepared.text, rows)

    def update(
        self, request: Request, command: sql.CommandPreparedStatementUpdate, reader: flight.MetadataRecordBatchReader
    ) -> sql.DoPutUpdateResult:
        """Run a prepared statement for each row of parameters that comes, or else with what is bound to the handle."""
        prepared, rows = self._find(request, command.prepared_statement_handle)
        if len(prepared.parameters):
            sent = _read_parameters(reader, self._options.max_parameter_rows)
            _check_width(prepared, reader.schema)
            rows = sent or rows
            if not rows:
                raise BadRequestError(f"The statement has {len(prepared.parameters)} parameters, and none is bound.")
        return sql.DoPutUpdateResult(record_count=self._statements.run_update(request, prepared.text, rows))

    def _plan(self, request: Request, command: sql.CommandPreparedStatementQuery) -> Planned:
        prepared, rows = self._bound(request, command.prepared_statement_handle)
        return self._statements.plan(request, prepared.text, rows)

    def _bound(self, request: Request, handle: bytes) -> tuple[_Prepared, Parameters | None]:
        """The statement and its parameters; BadRequestError where it has some and none is bound."""
        prepared, rows = self._find(request, handle)
        if rows is None and len(prepared.parameters):
            raise BadRequestError(f"The statement has {len(prepared.parameters)} parameters, and none is bound.")
        return prepared, rows

    def _find(self, request: Request, handle: bytes) -> tuple[_Prepared, Parameters | None]:
        prepared = self._open.get(handle[:_HANDLE_SIZE], request.identity)
        binding = handle[_HANDLE_SIZE:]
        with prepared.lock:
            if not binding:
                return prepared, prepared.bound
            if binding not in prepared.bindings:
                raise BadRequestError("The parameters behind this handle are no longer kept; bind them again.")
            return prepared, prepared.bindings[binding]


def _check_width(prepared: _Prepared, given: pa.Schema) -> None:
    if len(given) != len(prepared.parameters):
        raise TypeMismatchError(f"The statement has {len(prepared.parameters)} parameters; {len(given)} were bound.")


def _read_parameters(reader: flight.MetadataRecordBatchReader, max_rows: int) -> Parameters:
    rows: list[tuple[pa.Scalar, ...]] = []
    for chunk in reader:
        batch = chunk.data
        if len(rows) + batch.num_rows > max_rows:
            raise ResourceExhaustedError(f"More than {max_rows} rows of parameters were bound; bind them in parts.")
        try:
            batch.validate(full=True)
        except pa.ArrowInvalid:
            raise DataCorruptError("The parameters are not valid Arrow data.") from None
        rows += zip(*map(_values, batch.columns), strict=True)
    return rows


def _values(column: pa.Array) -> Iterable[pa.Scalar]:
    """A column's values. Of a union, each is what it holds: some clients send every parameter so."""
    if pa.types.is_union(column.type):
        return [pa.scalar(None) if value.value is None else value.value for value in column]
    decoded: Iterable[pa.Scalar] = column.dictionary_decode() if pa.types.is_dictionary(column.type) else column
    return decoded
