"""Prepared statements for queries.

A handle stands for a text and, once parameters were bound, for them too: binding answers with a new handle and leaves
the old one as it was, so no call depends on which was made before it. The handles that come from one another belong
together: closing one closes all of them. Clients that do not read the answer to a binding ask for the statement's own
handle again; that runs with what was bound to it last.

All texts and parameters that are kept have a limit. Over it, or over some number of bindings, a statement loses those
that were bound to it first; and over it, or over some number of statements, who holds most loses the statement that was
not used for longest.
"""

from __future__ import annotations

import os
import threading
from collections import OrderedDict
from collections.abc import Iterable
from dataclasses import dataclass, field
from itertools import chain

import pyarrow as pa

from engine.errors import ResourceExhaustedError
from engine.statements.descriptions import Insert
from engine.statements.parameter_entrance import ParameterEntrance
from engine.statements.parameter_rows import parameter_rows
from engine.statements.parsed_statement import ParsedStatement
from engine.statements.planning import Parameters, ParameterStream
from flight_server.drivers import parameter_schema
from flight_server.endpoint.incoming_data import IncomingData, entrance_of, limit_bytes, receive, sends_schema
from flight_server.options import ServiceOptions
from flight_server.proto import sql
from flight_server.service.request import Offer, Request
from flight_server.service.statements import Statements, text_of
from flight_server.service.store import HandleStore
from flight_server.service.wire import BadRequestError, schema_bytes

__all__ = ["PreparedStatements"]

_HANDLE_SIZE = 16
_MAX_BINDINGS = 64  # of one statement; a client moves on to the newest, so the oldest can go
_NO_ARROW = "The parameters are not valid Arrow data."
_FEW = 16  # rows of an INSERT, for which a text with the values in it is as quick
_VALUE = 200  # bytes that a value takes beside its data


@dataclass(frozen=True)
class _Binding:
    rows: Parameters
    size: int  # in bytes


@dataclass
class _PreparedStatement:
    parsed: ParsedStatement
    parameters: pa.Schema
    way_in: ParameterEntrance | None = None
    own: bytes = b""  # the binding that the statement's own handle stands for
    bindings: OrderedDict[bytes, _Binding] = field(default_factory=OrderedDict)
    bound_size: int = 0  # of the bindings together
    lock: threading.Lock = field(default_factory=threading.Lock)

    @property
    def weight(self) -> int:
        """The bytes of what is kept."""
        return len(self.parsed.text) + self.bound_size

    def forget_oldest(self) -> None:
        """Lose what was bound first. The lock is held."""
        self.bound_size -= self.bindings.popitem(last=False)[1].size


class PreparedStatements:
    """Creates, binds, plans and closes prepared statements, which are `open` till then."""

    def __init__(self, statements: Statements, options: ServiceOptions) -> None:
        self._statements = statements
        self._options = options
        self.open: HandleStore[_PreparedStatement] = HandleStore(
            "prepared statements", options.prepared_ttl, options.max_prepared, options.max_prepared_size, sliding=True
        )

    def create(
        self,
        request: Request,
        message: sql.ActionCreatePreparedStatementRequest | sql.ActionCreatePreparedSubstraitPlanRequest,
    ) -> Iterable[sql.ActionCreatePreparedStatementResult]:
        """CreatePreparedStatement and CreatePreparedSubstraitPlan: a handle, the schemas of result and parameters."""
        parsed = self._statements.parse(request, text_of(message))
        with self._statements.turn_to_prepare(request, parsed):
            parameters = self._statements.database.parameters(request.session, parsed)
            is_update = parsed.has_effects and not parsed.reports
            schema = None if is_update else self._schema(request, parsed, parameters)
        handle = self.open.put(_PreparedStatement(parsed, parameters), request.holder, len(parsed.text))
        told = parameter_schema(parameters, request.call.headers)
        yield sql.ActionCreatePreparedStatementResult(
            prepared_statement_handle=handle,
            dataset_schema=b"" if schema is None else schema_bytes(schema),
            parameter_schema=b"" if told is None else schema_bytes(told),
            is_update=is_update,
        )

    def close(
        self, request: Request, message: sql.ActionClosePreparedStatementRequest
    ) -> Iterable[sql.ActionCreatePreparedStatementResult]:
        """ClosePreparedStatement: forget a statement and all that was bound to it. Answers with nothing.

        One that is not open, as after a restart, is closed already: a client that is done has nothing to mend.
        """
        self.open.discard(message.prepared_statement_handle[:_HANDLE_SIZE], request.holder)
        return ()

    def bind(
        self, request: Request, command: sql.CommandPreparedStatementQuery, reader: IncomingData
    ) -> sql.DoPutPreparedStatementResult:
        """DoPut of parameters: a new handle that has them bound."""
        own, bound_to = (
            command.prepared_statement_handle[:_HANDLE_SIZE],
            command.prepared_statement_handle[_HANDLE_SIZE:],
        )
        prepared = self.open.get(own, request.holder)
        bound = self._read(request, prepared, reader)
        if not isinstance(bound, _Binding):
            raise BadRequestError("No parameters came to be bound: the upload has no schema.")
        binding = os.urandom(_HANDLE_SIZE)
        with prepared.lock:
            prepared.bindings[binding] = bound
            prepared.bound_size += bound.size
            if not bound_to:
                prepared.own = binding
            while len(prepared.bindings) > _MAX_BINDINGS:
                prepared.forget_oldest()
            self._weigh(request, own, prepared)
        return sql.DoPutPreparedStatementResult(prepared_statement_handle=own + binding)

    def _weigh(self, request: Request, handle: bytes, prepared: _PreparedStatement) -> None:
        """Account for what is bound. Where it is too much the oldest goes, then other statements of the same share.

        ResourceExhaustedError where even that is not enough for the newest.
        """
        while True:
            last = len(prepared.bindings) == 1
            try:
                return self.open.weigh(handle, request.holder, prepared.weight, sparing=not last)
            except ResourceExhaustedError:
                prepared.forget_oldest()
                if last:
                    self.open.weigh(handle, request.holder, prepared.weight)
                    raise

    def info(self, request: Request, command: sql.CommandPreparedStatementQuery) -> Offer:
        """Plan a prepared query with what is bound to the handle."""
        prepared, rows = self._find_bound(request, command.prepared_statement_handle)
        planned = self._statements.start(request, prepared.parsed, rows)
        return self._statements.offer(request, planned, len(prepared.parsed.text))

    def schema(self, request: Request, command: sql.CommandPreparedStatementQuery) -> pa.Schema:
        """The schema of a prepared query's result; until its parameters are bound that which preparing it told."""
        prepared, rows = self._find(request, command.prepared_statement_handle)
        if rows is None and len(prepared.parameters):
            return self._statements.unbound_schema(request, prepared.parsed)
        return self._statements.schema_of(request, prepared.parsed, rows)

    def update(
        self, request: Request, command: sql.CommandPreparedStatementUpdate, reader: IncomingData
    ) -> sql.DoPutUpdateResult:
        """Run a prepared statement for each row of parameters that comes; with what is bound where no schema does.

        Of an INSERT more rows may come than are kept: they are appended as they come.
        """
        prepared = self.open.get(command.prepared_statement_handle[:_HANDLE_SIZE], request.holder)
        parsed, rows = prepared.parsed, None
        if len(prepared.parameters):
            sent = self._read(request, prepared, reader, isinstance(parsed.statement, Insert) and not parsed.before)
            if isinstance(sent, ParameterStream):
                return sql.DoPutUpdateResult(record_count=self._statements.run_stream(request, parsed, sent))
            rows = self._find_bound(request, command.prepared_statement_handle)[1] if sent is None else sent.rows
        return sql.DoPutUpdateResult(record_count=self._statements.run_update(request, parsed, rows))

    def _schema(self, request: Request, parsed: ParsedStatement, parameters: pa.Schema) -> pa.Schema:
        """The schema of the result, as far as it can be told while nothing is bound."""
        if parsed.is_query and not len(parameters) and not parsed.before:
            return self._statements.start(request, parsed).schema  # the plan is remembered, and about to be asked for
        return self._statements.unbound_schema(request, parsed)

    def _find_bound(self, request: Request, handle: bytes) -> tuple[_PreparedStatement, Parameters | None]:
        """The statement and its parameters, None where it has none; BadRequestError where they are not bound."""
        prepared, rows = self._find(request, handle)
        if not len(prepared.parameters):
            return prepared, None
        if rows is None:
            raise BadRequestError(
                f"Values for the statement's parameters: {len(prepared.parameters)} needed, none bound."
            )
        return prepared, rows

    def _find(self, request: Request, handle: bytes) -> tuple[_PreparedStatement, Parameters | None]:
        prepared = self.open.get(handle[:_HANDLE_SIZE], request.holder)
        binding = handle[_HANDLE_SIZE:]
        with prepared.lock:
            binding = binding or prepared.own
            if not binding:
                return prepared, None
            if binding not in prepared.bindings:
                raise BadRequestError("The parameters behind this handle are no longer kept; bind them again.")
            return prepared, prepared.bindings[binding].rows

    def _read(
        self,
        request: Request,
        prepared: _PreparedStatement,
        reader: IncomingData,
        streams: bool = False,
    ) -> _Binding | ParameterStream | None:
        """The rows that come in; None where only the descriptor does.

        Of a statement that `streams` they stay in batches where they are many, however many they are; of others there
        is a most, and more is a BadRequestError.
        """
        if not sends_schema(reader):
            return None
        way = prepared.way_in
        entrance = entrance_of(reader, _NO_ARROW, None if way is None else way.entrance)
        if way is None or entrance is not way.entrance:  # most send each row in the same types
            way = prepared.way_in = ParameterEntrance(entrance, prepared.parameters.names)
        schema, batches = way.schema, map(way.reorder, receive(request.call, reader, entrance, _NO_ARROW))
        kept: list[pa.RecordBatch] = []
        count, size, options = 0, 0, self._options
        for batch in batches:
            kept.append(batch)
            count += batch.num_rows
            size += batch.get_total_buffer_size() + batch.num_rows * batch.num_columns * _VALUE
            if count <= options.max_parameter_rows and size <= options.max_parameter_size:
                continue
            if streams:
                reader.read_beside()
                most = options.max_upload_size
                refusal = f"The parameters have more than {most} bytes; bind them in parts."
                return ParameterStream(schema, limit_bytes(chain(kept, batches), most, refusal))
            many = count > options.max_parameter_rows
            limit = f"{options.max_parameter_rows} rows" if many else f"{options.max_parameter_size} bytes"
            raise BadRequestError(f"More than {limit} of parameters were bound; bind them in parts.")
        if streams and count > _FEW:
            return ParameterStream(schema, kept)
        return _Binding(parameter_rows(kept), size)
